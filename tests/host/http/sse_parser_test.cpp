#include "host/upstream/sse_parser.h"

#include "support/catch.h"

using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

std::vector<SseEvent> events_of(std::string_view text, std::size_t piece = 1 << 20) {
  SseParser parser(1 << 20);
  std::vector<SseEvent> all;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    for (SseEvent& event : parser.feed(text.substr(at, piece))) all.push_back(std::move(event));
  }
  return all;
}

}  // namespace

TEST_CASE("SseParser: an event has a type and data", "[sse]") {
  const auto events = events_of("event: message\ndata: {\"a\":1}\n\n");
  REQUIRE(events.size() == 1);
  CHECK(events[0].type == "message");
  CHECK(events[0].data == "{\"a\":1}");
}

TEST_CASE("SseParser: line ends are LF, CRLF or CR, in whatever pieces they come", "[sse]") {
  for (const std::string_view end : {"\n", "\r\n", "\r"}) {
    std::string text = "event: x~data: one~data:two~~: comment~data: three~~";
    for (std::size_t at = 0; (at = text.find('~')) != std::string::npos;) text.replace(at, 1, end);
    for (const std::size_t piece : {1, 2, 3, 7, 1000}) {
      const auto events = events_of(text, piece);
      REQUIRE(events.size() == 2);
      CHECK(events[0].type == "x");
      CHECK(events[0].data == "one\ntwo");
      CHECK(events[1].type.empty());
      CHECK(events[1].data == "three");
    }
  }
}

TEST_CASE("SseParser: comments, unknown fields and a byte order mark are skipped", "[sse]") {
  const auto events = events_of("\xef\xbb\xbf: hello\nwhat: ever\ndata\n:\ndata: x\n\n");
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == "\nx");
}

TEST_CASE("SseParser: an event without data is none, but its id counts", "[sse]") {
  SseParser parser(1000);
  CHECK(parser.feed("id: 7\nretry: 250\ndata:\n\n").empty());
  CHECK(parser.last_event_id() == "7");
  CHECK(parser.retry() == 250ms);
  CHECK(parser.feed("id: 8\ndata: lost\n").empty());
  CHECK(parser.last_event_id() == "7");  // that event was not complete
  parser.begin_anew();
  const auto events = parser.feed("data: again\n\n");
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == "again");
  CHECK(parser.last_event_id() == "7");
}

TEST_CASE("SseParser: a stream that breaks in the middle of an event gives none of it", "[sse]") {
  CHECK(events_of("data: half").empty());
  CHECK(events_of("data: half\n").empty());
}

TEST_CASE("SseParser: a retry that is no number, or far too long, does no harm", "[sse]") {
  SseParser parser(1000);
  parser.feed("retry: soon\n\n");
  CHECK_FALSE(parser.retry());
  parser.feed("retry: 4000000000\n\n");
  CHECK(parser.retry() == 60s);
}

TEST_CASE("SseParser: an event above the bound ends it, however it is cut", "[sse]") {
  for (const std::size_t piece : {1, 10, 5000}) {
    SseParser parser(100);
    const std::string line = "data: " + std::string(40, 'x') + "\n";
    const std::string text = "data: ok\n\n" + line + line + line + "\ndata: after\n\n";
    std::size_t events = 0;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      events += parser.feed(std::string_view(text).substr(at, piece)).size();
    }
    CHECK(parser.too_large());
    CHECK(events == 1);
  }
}
