#include "support/fake_exchange.h"

#include "base/check.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <utility>

namespace pyember::test {
namespace {

bool same(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  });
}

// Takes `name: ` off the line's beginning, if it stands there.
bool take_name(std::string& line, std::string_view name) {
  if (!line.starts_with(std::string(name) + ": ")) return false;
  line.erase(0, name.size() + 2);
  return true;
}

}  // namespace

FakeExchange::FakeExchange(std::string method, std::string request_body, mcp::HttpFields head)
    : sent_(std::move(head)) {
  request_.method = std::move(method);
  request_.path = "/mcp";
  request_.body = std::move(request_body);
  request_.peer = "127.0.0.1";
  request_.header = [this](std::string_view name) -> std::optional<std::string_view> {
    if (begun()) return std::nullopt;
    for (const mcp::HttpField& each : sent_) {
      if (same(each.name, name)) return each.value;
    }
    return std::nullopt;
  };
}

void FakeExchange::begin(int with, const mcp::HttpFields& given) {
  CHECK(!begun());
  status = with;
  fields = given;
}

void FakeExchange::respond(int with, const mcp::HttpFields& given, std::string&& text) {
  begin(with, given);
  body = std::move(text);
  over = true;
}

void FakeExchange::begin_stream(int with, const mcp::HttpFields& given) {
  begin(with, given);
  streams = true;
}

void FakeExchange::write(std::string&& piece) {
  CHECK(streams && !over);
  if (!is_gone_) body += piece;
}

void FakeExchange::end() {
  CHECK(streams && !over);
  over = true;
}

void FakeExchange::go_away() {
  is_gone_ = true;
  if (!over && gone_) gone_();
}

std::optional<std::string> FakeExchange::field(std::string_view name) const {
  for (const mcp::HttpField& each : fields) {
    if (same(each.name, name)) return each.value;
  }
  return std::nullopt;
}

std::vector<SseEvent> FakeExchange::events() const {
  std::vector<SseEvent> events;
  std::istringstream lines(body);
  SseEvent event;
  bool any = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) {
      if (any) events.push_back(std::exchange(event, {}));
      any = false;
      continue;
    }
    if (line.starts_with(':')) continue;
    any = true;
    if (take_name(line, "id")) event.id = line;
    if (take_name(line, "retry")) event.retry = line;
    if (take_name(line, "data")) event.data = line;
  }
  return events;
}

}  // namespace pyember::test
