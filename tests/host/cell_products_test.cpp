#include "support/catch.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/base64.h"
#include "base/limits.h"
#include "host/output/display_resources.h"
#include "host/tools/cell_answer.h"
#include "host/tools/file_tools.h"
#include "mcp/schema.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;

namespace {

// A session whose cell 1 has ended with these displays.
struct Products {
  std::string session = "main";
  SessionProducts products;
  embed::CellOutcome outcome;

  mcp::ToolResult answer(std::vector<embed::Display> displays, std::size_t budget = 1000) {
    outcome.displays = std::move(displays);
    products.cell_ended(1, outcome);
    return answer_for(CellEnd{session, 1, outcome, nullptr, Isolation{}, &products}, budget);
  }
};

std::string kinds(const Json& content) {
  std::string all;
  for (const Json& block : content) all += block["type"].get<std::string>() + " ";
  return all;
}

}  // namespace

TEST_CASE("Answer: a cell that shows nothing has neither displays nor files") {
  Products test;
  const mcp::ToolResult answer = test.answer({});
  CHECK(kinds(answer.content) == "text ");
  CHECK_FALSE(answer.structured.contains("displays"));
  CHECK_FALSE(answer.structured.contains("files"));
}

TEST_CASE("Answer: a picture is a picture, its full form a link, in the order they were shown") {
  Products test;
  const mcp::ToolResult answer = test.answer({{"image/png", "small"},
                                              {"image/png;role=full", std::string("\xFFlarge")},
                                              {"text/markdown", "# a"},
                                              {"image/svg+xml", "<svg/>"}});
  REQUIRE(kinds(answer.content) == "text image resource_link text resource_link ");
  CHECK(answer.content[1]["data"] == base64_encoded("small"));
  CHECK(answer.content[1]["mimeType"] == "image/png");
  CHECK(answer.content[2]["uri"] == "session-display://main/1/2");
  CHECK(answer.content[2]["mimeType"] == "image/png");
  CHECK(answer.content[3]["text"] == "# a");
  CHECK(answer.content[4]["uri"] == "session-display://main/1/4");
  const Json& displays = answer.structured["displays"];
  REQUIRE(displays.size() == 4);
  CHECK(displays[1] ==
        Json({{"mime", "image/png"}, {"uri", "session-display://main/1/2"}, {"bytes", 6}}));
}

TEST_CASE("Answer: what its budgets don't hold is linked, and counted beyond that") {
  Products test;
  CHECK(kinds(test.answer({{"text/plain", "12345"}, {"text/plain", "123456"}}, 10).content) ==
        "text text resource_link ");
  Products pictures;
  const std::string megabyte(1u << 20, 'x');
  CHECK(kinds(pictures
                  .answer({{"image/png", megabyte},
                           {"image/png", megabyte},
                           {"image/png", megabyte},
                           {"image/png", megabyte},
                           {"image/png", megabyte}})
                  .content) == "text image image image image resource_link ");
  Products many;
  const Json content = many.answer(std::vector<embed::Display>(50, {"text/html", "<b>"})).content;
  CHECK(content.size() == 1 + limits::kAnswerLinks + 1);
  CHECK(content.back()["text"].get<std::string>().starts_with("[30 more displays of cell 1"));
}

TEST_CASE("Answer: the displays are kept once, not in the outcome too") {
  Products test;
  test.answer({{"image/png", "x"}});
  CHECK(test.outcome.displays.empty());
  CHECK(test.products.displays().find(1)->size() == 1);
}

TEST_CASE("DisplayStore: beyond the limit the oldest cells' displays go, and it is known") {
  DisplayStore store(3000);
  for (embed::CellNumber cell = 1; cell <= 4; ++cell) {
    store.keep(cell, {{"image/png", std::string(600, 'x')}});
  }
  CHECK(store.find(1) == nullptr);
  CHECK(store.find(4, 1)->data.size() == 600);
  CHECK(store.find(4, 0) == nullptr);
  CHECK(store.find(4, 2) == nullptr);
  CHECK(store.dropped_up_to() == 1);
  CHECK(store.held() <= 3000);
  for (embed::CellNumber cell = 5; cell <= 100; ++cell) store.keep(cell, {{"text/plain", ""}});
  CHECK(store.cells().size() < 12);  // empty ones count as well
}

TEST_CASE("DisplayResources: each display is read whole, and listed in the order of addresses") {
  Products test;
  test.answer({{"image/png", std::string("\x89PNG", 4)}, {"text/html", "<b>"}});
  DisplayResources resources([&] {
    return std::map<std::string, SessionProducts*>{{"main", &test.products}};
  });
  const auto listed = resources.list("", 10);
  REQUIRE(listed.size() == 2);
  CHECK(resources.list(listed[0].uri, 10).size() == 1);
  std::vector<mcp::ResourceContent> contents;
  resources.read(listed[0].uri, [&](auto given) { contents = given.take(); });
  REQUIRE(contents.size() == 1);
  CHECK(contents[0].is_base64);
  CHECK(contents[0].data == "iVBORw==");
  for (const char* uri :
       {"session-display://main/1/3", "session-display://main/1/0", "session-display://main/2/1",
        "session-display://other/1/1", "session-display://main/1", "session-display://main/1/x",
        "session-display://main/1/1/1"}) {
    INFO(uri);
    bool failed = false;
    resources.read(uri, [&](auto given) { failed = !given.ok(); });
    CHECK(failed);
  }
}

// --- files
// -----------------------------------------------------------------------------------------

namespace {

struct Files : Products {
  std::string root = [] {
    std::string path = "/tmp/pyember-files-XXXXXX";
    return std::string(mkdtemp(path.data()));
  }();
  SessionFolders folders{root};
  mcp::ToolCatalog tools;
  int announced = 0;

  Files() {
    products.set_folder(folders.make("main").take());
    const auto folder = [this](const std::string& name) -> Result<SessionFolder*> {
      if (name == "main") return products.folder();
      return Error{ErrorCode::NotFound, "no such session"};
    };
    add_file_tools(tools, {folder, folder, [this] { ++announced; }});
  }
  ~Files() {
    products.set_folder(nullptr);
    std::filesystem::remove_all(root);
  }

  mcp::ToolResult call(const char* name, Json arguments) {
    struct Sink final : mcp::ToolCallSink {
      mcp::ToolResult result;
      void call_progress(double, std::optional<double>, std::string_view) override {}
      void call_log(mcp::LogLevel, std::string_view, const Json&) override {}
      void call_completed(mcp::ToolResult given) override { result = std::move(given); }
      void call_failed(mcp::RpcError) override {}
    } sink;
    tools.find(name)->tool.handler(
        std::make_shared<mcp::ToolCall>(std::move(arguments), mcp::ToolCall::Options{}, sink));
    return sink.result;
  }
};

}  // namespace

TEST_CASE("Answer: files a cell left in its folder are named and linked, ten at most") {
  Files test;
  for (int i = 0; i < 12; ++i) {
    std::ofstream(test.products.folder()->path() + "/" + std::to_string(10 + i) + ".csv") << "1";
  }
  const mcp::ToolResult answer = test.answer({});
  CHECK(answer.content.size() == 2 + limits::kAnswerFiles);
  CHECK(answer.content[1]["text"].get<std::string>().find("… and 2 more") != std::string::npos);
  CHECK(answer.content[2]["uri"] == "session-file://main/10.csv");
  CHECK(answer.content[2]["mimeType"] == "text/csv");
  CHECK(answer.structured["files"].size() == 12);
  CHECK_FALSE(Files().answer({}).structured.contains("files"));
}

TEST_CASE("put_file: text and bytes arrive, anything else is refused with a reason") {
  Files test;
  const mcp::ToolResult put = test.call("put_file", {{"path", "d/a.txt"}, {"content", "text"}});
  CHECK_FALSE(put.is_error);
  CHECK(put.structured["uri"] == "session-file://main/d/a.txt");
  CHECK(test.announced == 1);
  test.call("put_file", {{"path", "b"}, {"base64", "AAEC/w=="}});
  CHECK(test.products.folder()->read("b", 0, 10).value().data == std::string("\0\1\2\xFF", 4));
  for (const Json& bad :
       {Json{{"path", "a"}}, Json{{"path", "a"}, {"content", ""}, {"base64", ""}},
        Json{{"path", "a"}, {"base64", "AAE"}}, Json{{"path", "../a"}, {"content", ""}},
        Json{{"path", "a"}, {"content", ""}, {"session", "other"}},
        Json{{"path", "a"}, {"content", std::string((8u << 20) + 1, 'x')}}}) {
    CHECK(test.call("put_file", bad).is_error);
  }
  CHECK(test.announced == 2);
  const mcp::ToolResult listed = test.call("list_files", Json::object());
  CHECK(listed.structured["files"].size() == 2);
  CHECK(listed.structured["files"][1]["path"] == "d/a.txt");
}

TEST_CASE("base64: what is encoded is decoded again, and nothing else is") {
  for (const std::string bytes : {"", "a", "ab", "abc", "abcd", "\xFF\xFE\xFD\xFC"}) {
    CHECK(base64_decoded(base64_encoded(bytes)) == bytes);
  }
  CHECK(base64_decoded("YW\r\nJj") == "abc");
  for (const char* bad : {"Y", "YW", "YWJ", "YW=J", "====", "=", "YW J", "Y===", "-_==", "YWJj="}) {
    INFO(bad);
    CHECK_FALSE(base64_decoded(bad));
  }
}
