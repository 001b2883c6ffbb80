#pragma once

#include "mcp/connection.h"
#include "mcp/server.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::test {

// What the server wrote, in order.
class CapturedOutput : public mcp::Output {
 public:
  void send(std::string&& line, const mcp::Envelope& envelope) override {
    static_cast<void>(envelope);
    lines.push_back(std::move(line));
  }
  void protocol_changed(const std::string& state) override { protocol = state; }

  // The oldest line not taken yet; empty if there is none.
  std::string take();

  std::deque<std::string> lines;
  std::string protocol;  // as it was told last
};

// Tools whose behaviour a test steers from outside:
//   echo {text, times?, loud?, mode?}  answers at once, with structured content
//   hold {key}     answers when answer(key) is called
//   link {}        answers with a resource link
//   speak {}       logs at debug and at warning, then answers
//   fail {} / throw {} / forget {}     a JSON-RPC error, an exception, no answer at all
class ScriptedTools {
 public:
  ScriptedTools();

  mcp::ToolCatalog catalog;
  std::map<std::string, std::shared_ptr<mcp::ToolCall>> held;
  std::vector<std::string> cancelled;  // keys of held calls, in the order they were cancelled

  void answer(const std::string& key);

 private:
  void hold(std::shared_ptr<mcp::ToolCall> call);
};

// Resources note://a, note://b, …: text that is there at once; note://blob: base64; note://broken:
// an internal error; note://late: answered by read_late(). Everything else is not found.
class ScriptedResources : public mcp::ResourceCatalog {
 public:
  std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override;
  std::vector<mcp::ResourceTemplate> templates() override;
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view uri) override { return uri.starts_with("note://"); }

  void read_late();

  std::vector<std::string> names = {"a", "b", "c"};
  std::vector<mcp::ReadCompletion> late;
};

// All of it together.
struct ScriptedServer {
  explicit ScriptedServer(mcp::ServerBounds bounds = mcp::ServerBounds::standard());

  CapturedOutput output;
  ScriptedTools tools;
  ScriptedResources resources;
  mcp::Server server;
  mcp::Connection connection;
};

}  // namespace pyember::test
