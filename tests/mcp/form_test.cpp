#include "mcp/form.h"

#include "base/limits.h"
#include "support/catch.h"

#include <string>

// Forms: what schemas may say that anybody has written, and what clients answer.
using namespace pyember;
using Catch::Contains;
using mcp::Json;

namespace {

Json form_with(const Json& field) {
  return {{"type", "object"}, {"properties", {{"x", field}}}, {"required", {"x"}}};
}

std::string refusal(const Json& schema) {
  const Result<Json> form = mcp::read_form(schema);
  return form.ok() ? "" : form.error().message;
}

std::string mistake(const char* field, const char* content) {
  return mcp::form_mistake(form_with(Json::parse(field)), Json::parse(content)).value_or("");
}

}  // namespace

TEST_CASE("Forms: every kind of field is kept as it is") {
  for (
      const char* field :
      {R"({"type":"string","title":"T","description":"D","minLength":1,"maxLength":9,"default":"a"})",
       R"({"type":"string","format":"email"})",
       R"({"type":"string","enum":["a","b"],"enumNames":["A","B"],"default":"a"})",
       R"({"type":"string","oneOf":[{"const":"a","title":"A"}]})",
       R"({"type":"number","minimum":-1,"maximum":2.5,"default":0})",
       R"({"type":"integer","default":3})", R"({"type":"boolean","default":true})",
       R"({"type":"array","items":{"type":"string","enum":["a"]},"minItems":0,"maxItems":2})",
       R"({"type":"array","items":{"anyOf":[{"const":"a","title":"A"}]},"uniqueItems":true})"}) {
    CAPTURE(field);
    const Json form = form_with(Json::parse(field));
    REQUIRE(refusal(form).empty());
    CHECK(mcp::read_form(form).value() == form);
  }
}

TEST_CASE("Forms: what clients would not know is left out, or refused") {
  const Json loose = Json::parse(
      R"({"$schema":"x","title":"T","type":"object","additionalProperties":false,
          "properties":{"x":{"enum":["a"],"examples":["a"]}}})");
  CHECK(mcp::read_form(loose).value() ==
        Json::parse(R"({"type":"object","properties":{"x":{"type":"string","enum":["a"]}}})"));
  for (const char* field :
       {"7", "{}", R"({"type":"object"})", R"({"type":["string","null"]})", R"({"type":"null"})",
        R"({"type":"array"})", R"({"type":"array","items":{"type":"integer"}})",
        R"({"type":"string","pattern":"a"})", R"({"type":"string","format":"password"})",
        R"({"type":"string","minLength":-1})", R"({"type":"string","minLength":"1"})",
        R"({"type":"string","enum":[]})", R"({"type":"string","enum":[1]})",
        R"({"type":"integer","enum":["a"]})", R"({"type":"boolean","minimum":0})",
        R"({"type":"integer","default":"a"})", R"({"type":"string","enum":["a"],"default":"b"})",
        R"({"$ref":"#/$defs/x"})", R"({"type":"string","oneOf":[{"const":"a"}]})"}) {
    CAPTURE(field);
    CHECK_THAT(refusal(form_with(Json::parse(field))), Contains("field 'x'"));
  }
  for (const char* form :
       {"[]", "null", R"({"type":"string"})", R"({"type":"object"})",
        R"({"type":"object","properties":[]})", R"({"type":"object","properties":{},"$defs":{}})",
        R"({"type":"object","properties":{},"required":["x"]})",
        R"({"type":"object","properties":{"x":{"type":"string"}},"required":[1]})"}) {
    CAPTURE(form);
    CHECK_FALSE(refusal(Json::parse(form)).empty());
  }
}

TEST_CASE("Forms: they are bounded") {
  Json form = form_with({{"type", "string"}});
  for (std::size_t i = 1; i < limits::kFormFields; ++i) {
    form["properties"][std::to_string(i)] = {{"type", "string"}};
  }
  CHECK(refusal(form).empty());
  form["properties"]["more"] = {{"type", "string"}};
  CHECK_THAT(refusal(form), Contains("are the most"));
  Json choices = Json::array();
  for (std::size_t i = 0; i <= limits::kFormChoices; ++i) choices.push_back(std::to_string(i));
  CHECK_FALSE(refusal(form_with({{"type", "string"}, {"enum", choices}})).empty());
  const std::string large(limits::kFormBytes, 'x');
  CHECK_THAT(refusal(form_with({{"type", "string"}, {"title", large}})), Contains("larger than"));
}

TEST_CASE("Forms: an answer fits or says what is wrong") {
  CHECK(mistake(R"({"type":"string"})", R"({"x":"","other":1})").empty());
  CHECK_THAT(mistake(R"({"type":"string"})", "{}"), Contains("missing"));
  CHECK_THAT(mistake(R"({"type":"string"})", "[]"), Contains("no object"));
  CHECK_THAT(mistake(R"({"type":"string"})", R"({"x":1})"), Contains("text"));
  CHECK_THAT(mistake(R"({"type":"string","maxLength":2})", R"({"x":"äöü"})"),
             Contains("3 characters"));
  CHECK(mistake(R"({"type":"string","minLength":3})", R"({"x":"äöü"})").empty());
  CHECK_THAT(mistake(R"({"type":"string","enum":["a"]})", R"({"x":"b"})"), Contains("choices"));
  CHECK(mistake(R"({"oneOf":[{"const":"a","title":"A"}]})", R"({"x":"a"})").empty());
  CHECK_THAT(mistake(R"({"oneOf":[{"const":"a","title":"A"}]})", R"({"x":"A"})"),
             Contains("choices"));
  CHECK_THAT(mistake(R"({"type":"integer"})", R"({"x":1.5})"), Contains("whole"));
  CHECK(mistake(R"({"type":"integer"})", R"({"x":2.0})").empty());
  CHECK_THAT(mistake(R"({"type":"number","maximum":1})", R"({"x":2})"), Contains("range"));
  CHECK_THAT(mistake(R"({"type":"boolean"})", R"({"x":"true"})"), Contains("true or false"));
  const char* several =
      R"({"type":"array","items":{"type":"string","enum":["a","b"]},"maxItems":1})";
  CHECK(mistake(several, R"({"x":["a"]})").empty());
  CHECK_FALSE(mistake(several, R"({"x":["c"]})").empty());
  CHECK_FALSE(mistake(several, R"({"x":["a","b"]})").empty());
  CHECK_FALSE(mistake(several, R"({"x":"a"})").empty());
}

TEST_CASE("Forms: texts have the format that was asked for") {
  const auto fits = [](const char* format, const char* text) {
    const Json field = {{"type", "string"}, {"format", format}};
    return !mcp::form_mistake(form_with(field), {{"x", text}});
  };
  CHECK(fits("date", "2026-02-28"));
  CHECK(fits("date-time", "2026-02-28T01:02:03Z"));
  CHECK(fits("date-time", "2026-02-28T01:02:03.5+01:00"));
  CHECK(fits("email", "ada@example.com"));
  CHECK(fits("uri", "https://example.com/x"));
  for (const char* bad : {"", "2026-2-28", "2026-13-01", "28.02.2026", "2026-02-28T01:02:03Z"}) {
    CHECK_FALSE(fits("date", bad));
  }
  for (const char* bad : {"2026-02-28", "2026-02-28T01:02:03", "2026-02-28 01:02:03Z",
                          "2026-02-28T01:02:03.Z", "2026-02-28T01:02:03+1:00"}) {
    CHECK_FALSE(fits("date-time", bad));
  }
  for (const char* bad : {"ada", "@x", "ada@", "a@b@c", "a b@c"}) CHECK_FALSE(fits("email", bad));
  for (const char* bad : {"x", ":x", "x:", "http://a b"}) CHECK_FALSE(fits("uri", bad));
}

TEST_CASE("Forms: of an answer the fields are kept that were asked for") {
  const Json form = form_with({{"type", "string"}});
  CHECK(mcp::fields_of_form(form, {{"y", 1}, {"x", "a"}}) == Json{{"x", "a"}});
}
