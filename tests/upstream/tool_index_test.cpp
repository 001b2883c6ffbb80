#include "host/upstream/tools/tool_index.h"

#include <algorithm>
#include <string>

#include "base/limits.h"
#include "host/upstream/tools/search_words.h"
#include "upstream/tool_fixture.h"

using namespace pyember;
using namespace pyember::host;
using Strings = std::vector<std::string>;

namespace {

Strings found(const ToolIndex& index, std::string_view query, std::size_t limit = 5) {
  Strings names;
  for (const ToolIndex::Found& hit : index.search(query, limit)) {
    names.push_back(hit.server->server + '/' + hit.tool->name);
  }
  return names;
}

std::string first(const ToolIndex& index, std::string_view query) {
  const Strings names = found(index, query, 1);
  return names.empty() ? "" : names.front();
}

const ToolIndex& whole_index() {
  static const ToolIndex index(catalogue());
  return index;
}

// The place, from 1, of the first tool that a query asks for; 0: it is not there.
std::size_t place(const mcp::Json& query) {
  const Strings names = found(whole_index(), query.at("query").get<std::string>(), 20);
  const auto is_right = [&query](const std::string& name) {
    const mcp::Json& right = query.at("right");
    return std::find(right.begin(), right.end(), name) != right.end();
  };
  const auto hit = std::find_if(names.begin(), names.end(), is_right);
  return hit == names.end() ? 0 : static_cast<std::size_t>(hit - names.begin()) + 1;
}

const char* const kForge = R"([
  {"name":"create_issue","description":"Open an issue in a repository",
   "inputSchema":{"type":"object","properties":{"labels":{"type":"array"}}}},
  {"name":"createIssueComment","description":"Write below an issue"},
  {"name":"get-thing","description":"Retrieves a thing"},
  {"name":"HTTPRequest","description":"Send anything anywhere"},
  {"name":"toggle","description":"Schalter für Geräte im Büro"}])";

}  // namespace

TEST_CASE("Search: of sixty labelled queries the right tool is first for 50, in three for 57") {
  const mcp::Json queries = read_json("search_queries.json");
  REQUIRE(queries.size() == 60);
  std::size_t in_first = 0;
  std::size_t in_three = 0;
  for (const mcp::Json& query : queries) {
    const std::size_t at = place(query);
    in_first += at == 1 ? 1 : 0;
    in_three += at >= 1 && at <= 3 ? 1 : 0;
    if (at != 1) UNSCOPED_INFO(query.at("query") << " is at " << at);
  }
  INFO(in_first << " first, " << in_three << " in the first three");
  CHECK(in_first >= 50);
  CHECK(in_three >= 57);
}

TEST_CASE("Search: every tool of a thousand is found first, or beside its namesakes, by its name") {
  const std::vector<SharedTools> servers = catalogue();
  std::size_t tools = 0;
  for (const SharedTools& server : servers) {
    for (const ToolDescription& tool : server->tools) {
      ++tools;
      const std::string name = first(whole_index(), server->server + ' ' + tool.name);
      CAPTURE(server->server, tool.name);
      CHECK(name == server->server + '/' + tool.name);
    }
  }
  CHECK(tools >= 1000);
}

TEST_CASE("Search: a name is found however it is written") {
  const ToolIndex index({tools_of("forge", kForge)});
  for (const char* query : {"create_issue", "createIssue", "CreateIssue", "create-issue",
                            "create issue", "CREATE_ISSUE", "createissue", "forge create_issue"}) {
    CAPTURE(query);
    CHECK(first(index, query) == "forge/create_issue");
  }
  CHECK(first(index, "http request") == "forge/HTTPRequest");
  CHECK(first(index, "create issue comment") == "forge/createIssueComment");
}

TEST_CASE("Search: endings, misspellings and beginnings of words are borne") {
  const ToolIndex index({tools_of("forge", kForge)});
  for (const char* query :
       {"creating issues", "creat isue", "issue craete", "repositories", "repo", "repostory"}) {
    CAPTURE(query);
    CHECK(first(index, query) == "forge/create_issue");
  }
  CHECK(first(index, "Gerät") == "forge/toggle");
}

TEST_CASE("Search: a word of a description finds only what has it") {
  const ToolIndex index({tools_of("forge", kForge)});
  CHECK(found(index, "retrieve") == Strings{"forge/get-thing"});
  CHECK(found(index, "labels") == Strings{"forge/create_issue"});
}

TEST_CASE("Search: tools that have every word come before those that have some") {
  const ToolIndex index({tools_of("a", R"([
    {"name":"report","description":"report report report weekly"},
    {"name":"other","description":"Send the weekly sales report by mail to everybody who asked"}])")});
  CHECK(found(index, "weekly report mail") == Strings{"a/other", "a/report"});
}

TEST_CASE("Search: nothing is found where nothing fits") {
  for (const char* query : {"quantum flux capacitor", "asdfghjkl", "", "   ", "?!%", "日本語",
                            "create unicorn", "book a flight to Berlin"}) {
    CAPTURE(query);
    CHECK(found(whole_index(), query).empty());
  }
  CHECK(found(ToolIndex({}), "anything").empty());
  CHECK(found(ToolIndex({tools_of("a", "[]")}), "a").empty());
}

TEST_CASE("Search: the limit holds, and the order is the same each time") {
  CHECK(found(whole_index(), "list issues", 3).size() == 3);
  CHECK(found(whole_index(), "list issues", 0).empty());
  CHECK(found(whole_index(), "list issues", 20) == found(whole_index(), "list issues", 20));
}

TEST_CASE("Search: a query of any length and bytes is borne") {
  std::string long_query;
  for (int i = 0; i < 100'000; ++i) long_query += "word" + std::to_string(i) + ' ';
  CHECK(found(whole_index(), long_query).size() <= 5);
  CHECK(found(whole_index(), std::string(1 << 20, 'a')).empty());
  CHECK(found(whole_index(), "create issue" + std::string(2000, ' ') + "unicorn").size() == 5);
  CHECK(found(whole_index(), std::string("create\0issue \xFF\xC0", 15), 1).size() == 1);
}

TEST_CASE("Search: an upstream that floods its descriptions doesn't hide the others") {
  mcp::Json flood = mcp::Json::array();
  for (int i = 0; i < 2000; ++i) {
    flood.push_back({{"name", "flood" + std::to_string(i)},
                     {"description", std::string(6000, 'x') + " create issue"}});
  }
  const ToolIndex index(
      {std::make_shared<const ServerTools>(read_tools(definition_of("flood"), flood)),
       tools_of("forge", kForge)});
  CHECK(first(index, "create issue") == "forge/create_issue");
}

TEST_CASE("Search words: names are split at capitals, underscores and other signs") {
  const auto parts = [](std::string_view text) {
    Strings all;
    for (const SearchWord& word : search_words(text)) {
      all.insert(all.end(), word.parts.begin(), word.parts.end());
    }
    return all;
  };
  CHECK(parts("createIssue_comment") == Strings{"create", "issue", "comment"});
  CHECK(parts("HTTPServer") == Strings{"http", "server"});
  CHECK(parts("listURLs") == Strings{"list", "urls"});
  CHECK(parts("API-get.s3Object") == Strings{"api", "get", "s3", "object"});
  CHECK(parts("").empty());
}

TEST_CASE("Search words: words with the same stem are the same word") {
  for (const char* word : {"create", "creates", "created", "creating"}) {
    CHECK(search_stem(word) == "creat");
  }
  CHECK(search_stem("queries") == search_stem("query"));
  CHECK(search_stem("stopping") == search_stem("stop"));
  CHECK(search_stem("boxes") == search_stem("box"));
  CHECK(search_stem("status") == "status");
  CHECK(search_stem("string") == "string");
}

TEST_CASE("Search words: the distance counts insertions, losses, changes and swaps") {
  CHECK(word_distance("same", "same", 2) == 0);
  CHECK(word_distance("serach", "search", 2) == 1);
  CHECK(word_distance("reqest", "request", 2) == 1);
  CHECK(word_distance("kubernets", "kubernetes", 2) == 1);
  CHECK(word_distance("abcdef", "badcfe", 3) == 3);
  CHECK(word_distance("abc", "xyz", 2) == 3);
  CHECK(word_distance("", "ab", 2) == 2);
  CHECK(word_distance(std::string(100, 'a'), std::string(100, 'a'), 2) == 3);
}
