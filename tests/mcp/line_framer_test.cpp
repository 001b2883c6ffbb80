#include "mcp/line_framer.h"

#include "support/catch.h"

#include <string>
#include <vector>

using pyember::mcp::LineFramer;

namespace {

struct Lines : LineFramer::Receiver {
  void line(std::string_view text) override { seen.emplace_back(text); }
  void overlong_line(std::string_view beginning, std::string_view end) override {
    overlong.emplace_back(std::string(beginning) + "…" + std::string(end));
  }
  std::vector<std::string> seen;
  std::vector<std::string> overlong;
};

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("LineFramer: cuts what arrives at once") {
  Lines lines;
  LineFramer framer(100, lines);
  framer.receive("one\ntwo\nthree");
  CHECK(lines.seen == Strings{"one", "two"});
  framer.receive_end();
  CHECK(lines.seen == Strings{"one", "two", "three"});
}

TEST_CASE("LineFramer: the same lines come out however the bytes were split") {
  const std::string text = "one\r\n\n \t\r\n{\"two\":2}\nthree";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    Lines lines;
    LineFramer framer(100, lines);
    for (std::size_t at = 0; at < text.size(); at += size) framer.receive(text.substr(at, size));
    framer.receive_end();
    CHECK(lines.seen == Strings{"one", "{\"two\":2}", "three"});
  }
}

TEST_CASE("LineFramer: a line as long as the bound is a line, one byte more is overlong") {
  Lines lines;
  LineFramer framer(4, lines);
  framer.receive("1234\n12345\n");
  framer.receive("12");
  framer.receive("34\n12");
  framer.receive("345\nok\n");
  CHECK(lines.seen == Strings{"1234", "1234", "ok"});
  CHECK(lines.overlong == Strings{"12345…12345", "12345…12345"});
}

TEST_CASE("LineFramer: a line without end is not held") {
  Lines lines;
  LineFramer framer(64 << 10, lines);
  framer.receive("BEGIN");
  const std::string piece(60'000, 'x');
  for (int i = 0; i < 1000; ++i) {
    framer.receive(piece);
    REQUIRE(framer.held_bytes() <= (64u << 10));
  }
  CHECK(framer.held_bytes() <= 2 * LineFramer::kKeptOfOverlong);
  framer.receive("END\nnext\n");
  REQUIRE(lines.overlong.size() == 1);
  CHECK(lines.overlong[0].starts_with("BEGIN"));
  CHECK(lines.overlong[0].ends_with("END"));
  CHECK(lines.overlong[0].size() <= 3 * LineFramer::kKeptOfOverlong);
  CHECK(lines.seen == Strings{"next"});
}

TEST_CASE("LineFramer: an overlong line that the stream's end cuts off is reported") {
  Lines lines;
  LineFramer framer(4, lines);
  framer.receive("123456");
  CHECK(lines.overlong.empty());
  framer.receive_end();
  CHECK(lines.overlong.size() == 1);
}
