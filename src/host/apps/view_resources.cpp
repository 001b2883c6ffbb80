#include "host/apps/view_resources.h"

#include <fmt/format.h>

#include <utility>

#include "host/apps/views.h"

namespace pyember::host {

namespace {

constexpr const char* kViewType = "text/html;profile=mcp-app";

struct View {
  std::string_view uri;
  const char* name;
  const char* title;
  const char* description;
  const std::string_view& html;
};

// In the order of their URIs, as they are listed.
constexpr View kViews[] = {
    {kBenchmarkViewUri, "benchmark-view", "Benchmark",
     "Shows a benchmark in hosts with MCP Apps: its runs, its memory, its verdict.",
     kBenchmarkView},
    {kJobViewUri, "job-view", "Job",
     "Shows a job in hosts with MCP Apps: its output, memory and CPU time while it runs.",
     kJobView},
};

}  // namespace

mcp::Json shown_by(const char* view_uri, mcp::Json meta) {
  meta["ui"]["resourceUri"] = view_uri;
  return meta;
}

mcp::Json view_extensions() {
  mcp::Json extensions = mcp::Json::object();
  extensions["io.modelcontextprotocol/ui"] = mcp::Json::object();
  return extensions;
}

std::vector<mcp::Resource> ViewResources::list(std::string_view after, std::size_t limit) {
  std::vector<mcp::Resource> all;
  for (const View& view : kViews) {
    if (view.uri <= after || all.size() == limit) continue;
    mcp::Resource resource;
    resource.uri = view.uri;
    resource.name = view.name;
    resource.title = view.title;
    resource.description = view.description;
    resource.mime_type = kViewType;
    resource.size = view.html.size();
    all.push_back(std::move(resource));
  }
  return all;
}

// Without a `csp` nothing may be loaded from anywhere, which is all the views want.
void ViewResources::read(std::string_view uri, mcp::ReadCompletion done) {
  for (const View& view : kViews) {
    if (uri != view.uri) continue;
    mcp::ResourceContent content;
    content.uri = view.uri;
    content.mime_type = kViewType;
    content.data = std::string(view.html);
    content.meta["ui"]["prefersBorder"] = true;
    std::vector<mcp::ResourceContent> contents;
    contents.push_back(std::move(content));
    return done(std::move(contents));
  }
  done(Error{ErrorCode::NotFound,
             fmt::format("There is no view at {}. This server's views are {} and {}.",
                         uri.substr(0, 200), kBenchmarkViewUri, kJobViewUri)});
}

}  // namespace pyember::host
