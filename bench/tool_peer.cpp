#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

// The smallest MCP server there can be: one tool with a fixed answer, at once. What a call of it
// takes is what its client takes. Handshake era; one message a line.
namespace {

// The number of the message's own id, which both clients that are compared write before params or
// behind them, and nowhere else. -1: a notification.
std::int64_t id_of(std::string_view line) {
  constexpr std::string_view kName = "\"id\":";
  const std::size_t at = line.find(kName);
  std::int64_t id = -1;
  if (at == std::string_view::npos) return id;
  std::size_t digits = at + kName.size();
  while (digits < line.size() && line[digits] == ' ') ++digits;
  std::from_chars(line.data() + digits, line.data() + line.size(), id);
  return id;
}

std::string_view answer_to(std::string_view line) {
  if (line.find("\"tools/call\"") != std::string_view::npos) {
    return R"("result":{"content":[{"type":"text","text":"hello"}],"isError":false})";
  }
  if (line.find("\"initialize\"") != std::string_view::npos) {
    return R"("result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"tool-peer","version":"1"}})";
  }
  if (line.find("\"tools/list\"") != std::string_view::npos) {
    return R"("result":{"tools":[{"name":"echo","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}]})";
  }
  return R"("error":{"code":-32601,"message":"There is no such method."})";
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    const std::int64_t id = id_of(line);
    if (id < 0) continue;
    std::cout << R"({"jsonrpc":"2.0","id":)" << id << ',' << answer_to(line) << "}\n" << std::flush;
  }
}
