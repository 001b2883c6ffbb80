#include "base/utf8.h"

#include "support/catch.h"

namespace utf8 = pyember::utf8;

TEST_CASE("utf8: text in several scripts is valid") {
  CHECK(utf8::is_valid(""));
  CHECK(utf8::is_valid("plain"));
  CHECK(utf8::is_valid("Grüße, \xE4\xBD\xA0\xE5\xA5\xBD, \xF0\x9F\x90\x8D"));
  CHECK(utf8::is_valid("\xF4\x8F\xBF\xBF"));  // U+10FFFF, the last one
}

TEST_CASE("utf8: what the standard forbids is invalid") {
  CHECK_FALSE(utf8::is_valid("\x80"));              // a continuation alone
  CHECK_FALSE(utf8::is_valid("\xC0\xAF"));          // overlong
  CHECK_FALSE(utf8::is_valid("\xE0\x80\xAF"));      // overlong
  CHECK_FALSE(utf8::is_valid("\xED\xA0\x80"));      // a surrogate
  CHECK_FALSE(utf8::is_valid("\xF4\x90\x80\x80"));  // above U+10FFFF
  CHECK_FALSE(utf8::is_valid("\xFF"));
  CHECK_FALSE(utf8::is_valid("cut \xE2\x82"));
}

TEST_CASE("utf8: the valid prefix ends before the first bad byte") {
  CHECK(utf8::valid_prefix("ab\xC3\xBC\xFFz") == 4);
  CHECK(utf8::valid_prefix("\xFF") == 0);
}

TEST_CASE("utf8: repairing replaces each broken piece once and keeps the rest") {
  CHECK(utf8::repaired("a\xFFz") == "a\xEF\xBF\xBDz");
  CHECK(utf8::repaired("\xE2\x82z") == "\xEF\xBF\xBDz");  // a truncated euro sign
  CHECK(utf8::repaired("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(utf8::repaired("\xC3\xBC") == "\xC3\xBC");
}

TEST_CASE("utf8: repaired text is always valid") {
  std::string text;
  for (int high = 0; high < 256; ++high) {
    for (int low = 0; low < 256; low += 7) {
      text += static_cast<char>(high);
      text += static_cast<char>(low);
    }
  }
  CHECK_FALSE(utf8::is_valid(text));
  CHECK(utf8::is_valid(utf8::repaired(text)));
}

TEST_CASE("utf8: characters are counted, not bytes") {
  CHECK(utf8::count_characters("") == 0);
  CHECK(utf8::count_characters("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x90\x8D") == 4);
}

TEST_CASE("utf8: head and tail cut at character boundaries") {
  const std::string_view text = "a\xC3\xBC\xE2\x82\xACz";
  CHECK(utf8::head(text, 0).empty());
  CHECK(utf8::head(text, 2) == "a\xC3\xBC");
  CHECK(utf8::head(text, 99) == text);
  CHECK(utf8::tail(text, 0).empty());
  CHECK(utf8::tail(text, 2) == "\xE2\x82\xACz");
  CHECK(utf8::tail(text, 99) == text);
}

TEST_CASE("utf8: a character that has not come completely is recognised at the end") {
  CHECK(utf8::incomplete_suffix("") == 0);
  CHECK(utf8::incomplete_suffix("abc") == 0);
  CHECK(utf8::incomplete_suffix("\xE2\x82\xAC") == 0);
  CHECK(utf8::incomplete_suffix("a\xE2\x82") == 2);
  CHECK(utf8::incomplete_suffix("a\xF0\x9F\x90") == 3);
  CHECK(utf8::incomplete_suffix("a\xC3") == 1);
}

TEST_CASE("utf8: bytes that no continuation can mend are not waited for") {
  CHECK(utf8::incomplete_suffix("a\xFF") == 0);
  CHECK(utf8::incomplete_suffix("a\xED\xA0") == 0);  // would be a surrogate
  CHECK(utf8::incomplete_suffix("\x80\x80\x80\x80") == 0);
}
