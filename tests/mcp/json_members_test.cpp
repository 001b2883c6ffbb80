#include "mcp/json_members.h"

#include "support/catch.h"

using namespace pyember::mcp;

TEST_CASE("Json members: what has the expected type is read, all else is empty") {
  const Json object = {{"text", "a"},  {"texts", {"a", 1, "b"}}, {"number", 1.5},
                       {"flag", true}, {"null", nullptr}};
  CHECK(text_in(object, "text") == "a");
  CHECK(texts_in(object, "texts") == std::vector<std::string>{"a", "b"});
  CHECK(number_in(object, "number") == 1.5);
  CHECK(flag_in(object, "flag"));
  for (const char* other : {"null", "missing", "texts"}) {
    CHECK(text_in(object, other).empty());
    CHECK(number_in(object, other) == 0);
    CHECK_FALSE(flag_in(object, other));
  }
  CHECK(texts_in(object, "text").empty());
}

TEST_CASE("Json members: what is no object has none") {
  for (const Json& value : {Json(), Json("text"), Json(1), Json::array({"text"})}) {
    CHECK(text_in(value, "text").empty());
    CHECK(texts_in(value, "text").empty());
    CHECK(number_in(value, "text") == 0);
    CHECK_FALSE(flag_in(value, "text"));
  }
}
