#include "mcp/cursor.h"

#include "support/catch.h"

using namespace pyember::mcp;

TEST_CASE("cursor: comes back as the entry it was made from") {
  for (const std::string last : {"a", "ab", "abc", "note://\xC3\xBC?x=1&y=\"2\"", "a:b"}) {
    CHECK(read_cursor("resources", make_cursor("resources", last)) == last);
  }
}

TEST_CASE("cursor: is made of letters that need no escaping anywhere") {
  CHECK(
      make_cursor("l", "\xFF\xFE\xFD\xFC\xFB~")
          .find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
      std::string::npos);
}

TEST_CASE("cursor: what the list has not given out is refused") {
  CHECK_FALSE(read_cursor("tools", ""));
  CHECK_FALSE(read_cursor("tools", "A"));
  CHECK_FALSE(read_cursor("tools", "not a cursor"));
  CHECK_FALSE(read_cursor("tools", make_cursor("resources", "x")));
  CHECK_FALSE(read_cursor("tools", make_cursor("tools", "")));
  CHECK_FALSE(read_cursor("tools", make_cursor("toolsmith", "x")));
}
