#include "mcp/json.h"

#include "support/catch.h"

#include <cmath>
#include <limits>

using pyember::ErrorCode;
using namespace pyember::mcp;

namespace {

std::string rewritten(std::string_view text) { return to_json_text(parse_json(text).value()); }

std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

}  // namespace

TEST_CASE("json: what is parsed is written as it was") {
  const auto text =
      GENERATE(as<std::string>{}, "null", "true", "-17", "18446744073709551615", "0.5", "\"text\"",
               "[]", "{}", "[1,[2,[3]],{}]", R"({"b":1,"a":{"d":[],"c":null}})");
  CHECK(rewritten(text) == text);
}

TEST_CASE("json: white space around the value is accepted") {
  CHECK(rewritten(" \t{ \"a\" : 1 } \r") == R"({"a":1})");
}

TEST_CASE("json: the last of two members with one name counts") {
  CHECK(rewritten(R"({"a":1,"a":2})") == R"({"a":2})");
}

TEST_CASE("json: what is not JSON is refused with the place") {
  const auto text = GENERATE(as<std::string>{}, "", "{", "[1,]", "{\"a\"}", "nul", "1 2", "'a'",
                             "\"\x01\"", "{\"a\":1}}", "\"\\ud800\"", "NaN", "01", "\"\xFF\"");
  const auto result = parse_json(text);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::InvalidArgument);
  CHECK(result.error().message.find("at byte") != std::string::npos);
}

TEST_CASE("json: a zero byte is not the end of the text") {
  CHECK_FALSE(parse_json(std::string_view("4\0", 2)).ok());
  CHECK_FALSE(parse_json(std::string_view("\"a\0\"", 4)).ok());
}

TEST_CASE("json: a byte order mark before the text is skipped") {
  CHECK(rewritten("\xEF\xBB\xBF{}") == "{}");
  CHECK_FALSE(parse_json("\xEF\xBB\xBF").ok());
}

TEST_CASE("json: escapes mean their characters") {
  CHECK(rewritten(R"("\u0041\u00fc\u20ac\ud83d\udc0d\/\b\f\n\r\t\"\\")") ==
        "\"A\xC3\xBC\xE2\x82\xAC\xF0\x9F\x90\x8D/\\b\\f\\n\\r\\t\\\"\\\\\"");
}

TEST_CASE("json: broken escapes are refused") {
  const auto text =
      GENERATE(as<std::string>{}, R"("\x")", R"("\u12")", R"("\u12g4")", R"("\u+123")",
               R"("\udc00")", R"("\ud800\u0041")", R"("\ud800x")", R"("\)");
  CHECK_FALSE(parse_json(text).ok());
}

TEST_CASE("json: numbers keep their kind, and overflow into floating point") {
  CHECK(parse_json("-0").value().is_number_integer());
  CHECK(parse_json("9223372036854775808").value().is_number_unsigned());
  CHECK(parse_json("18446744073709551616").value().is_number_float());
  CHECK(parse_json("-9223372036854775809").value().is_number_float());
  CHECK(parse_json("1e-999").value() == 0.0);
  CHECK_FALSE(parse_json("1e999").ok());
}

TEST_CASE("json: what looks like a number and is none is refused") {
  const auto text = GENERATE(as<std::string>{}, "-", "+1", "1.", ".5", "1e", "1e+", "--1", "00",
                             "0x1", "1.e5", "Infinity", "-Infinity");
  CHECK_FALSE(parse_json(text).ok());
}

TEST_CASE("json: nesting is accepted up to the bound and refused beyond it") {
  const JsonBounds bounds = {3, 10, 100};
  CHECK(parse_json("[[[1]]]", bounds).ok());
  const auto refused = parse_json("[[[[1]]]]", bounds);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::LimitReached);
}

TEST_CASE("json: a million brackets are refused without recursion") {
  const auto result = parse_json(std::string(1'000'000, '['));
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::LimitReached);
}

TEST_CASE("json: members of an object are bounded") {
  const JsonBounds bounds = {3, 2, 100};
  CHECK(parse_json(R"({"a":1,"b":2})", bounds).ok());
  CHECK(parse_json(R"({"a":1,"b":2,"c":3})", bounds).error().code == ErrorCode::LimitReached);
}

TEST_CASE("json: values of a text are bounded") {
  const JsonBounds bounds = {3, 10, 4};
  CHECK(parse_json("[1,2,3]", bounds).ok());
  CHECK(parse_json("[1,2,3,4]", bounds).error().code == ErrorCode::LimitReached);
}

TEST_CASE("json: the standard bounds hold against a wide text") {
  CHECK(parse_json('[' + repeated("0,", 1 << 19) + "0]").error().code == ErrorCode::LimitReached);
}

TEST_CASE("json: strings are escaped so that a line stays a line") {
  std::string out;
  append_json_string(out, std::string_view("a\"b\\c\n\r\t\b\f\0\x1F", 12));
  CHECK(out == R"("a\"b\\c\n\r\t\b\f\u0000\u001f")");
}

TEST_CASE("json: bytes that are not UTF-8 are written as replacement characters") {
  CHECK(to_json_text(Json("a\xFFz \xE2\x82")) == "\"a\xEF\xBF\xBDz \xEF\xBF\xBD\"");
  CHECK(to_json_text(Json("\xC3\xBC \xF0\x9F\x90\x8D")) == "\"\xC3\xBC \xF0\x9F\x90\x8D\"");
}

TEST_CASE("json: numbers that JSON can't say become null") {
  CHECK(to_json_text(Json(std::nan(""))) == "null");
  CHECK(to_json_text(Json(std::numeric_limits<double>::infinity())) == "null");
}

TEST_CASE("json: floating point numbers come back as they were") {
  for (const double value : {0.1, 1e300, -2.5e-10, 123456789.123456789, 1.0 / 3}) {
    CHECK(parse_json(to_json_text(Json(value))).value().get<double>() == value);
  }
}

TEST_CASE("JSON: wide objects, which are looked up linearly, use up the values") {
  const JsonBounds bounds{8, 10'000, 20'000};
  const auto object = [](int members) {
    std::string text = "{";
    for (int i = 0; i < members; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
    return text + "}";
  };
  CHECK(parse_json(object(2000), bounds).ok());
  CHECK(parse_json(object(5000), bounds).error().code == ErrorCode::LimitReached);
}
