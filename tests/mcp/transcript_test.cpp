#include "mcp/json.h"
#include "support/catch.h"
#include "support/scripted_server.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <vector>

// Plays tests/transcripts/*.txt against the scripted server. A transcript consists of
//   # comment
//   -> a line that the client sends         (=> the same with \xHH and \n escapes, and no newline)
//   <- the line that the server then writes
//   !! something happens: answer KEY · progress KEY VALUE TOTAL TEXT · update URI · read ·
//      tools changed · resources changed · log LEVEL TEXT · end (of the input)
//   ?? a fact: cancelled KEY · in flight N
//   option page_size N (before the first line)
// Lines that begin with white space continue the one before. Words like $META are replaced as
// definitions.txt says. Before anything is sent or happens, and at the end, the server must have
// written nothing but what was expected. Lines are compared as JSON: the string "…" fits any
// value, and a member "…" fits any further members.
namespace fs = std::filesystem;
using pyember::mcp::Json;
using pyember::test::ScriptedServer;

namespace {

struct Step {
  int number;
  std::string verb;
  std::string rest;
};

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin);
}

std::vector<Step> read_steps(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("no transcript at " + path.string());
  std::vector<Step> steps;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (trimmed(line).empty() || line.front() == '#') continue;
    if (line.front() == ' ') {
      steps.back().rest += trimmed(line);
      continue;
    }
    const auto space = line.find(' ');
    steps.push_back(
        {number, line.substr(0, space), space == std::string::npos ? "" : line.substr(space + 1)});
  }
  return steps;
}

class Definitions {
 public:
  explicit Definitions(const fs::path& path) {
    for (const Step& step : read_steps(path)) values_.push_back({step.verb, step.rest});
    // $META_LOG before $META
    std::sort(values_.begin(), values_.end(),
              [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  }

  std::string expand(std::string text) const {
    for (const auto& [name, value] : values_) {
      for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
        text.replace(at, name.size(), value);
        at += value.size();
      }
    }
    return text;
  }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

bool fits(const Json& expected, const Json& actual) {
  if (expected == "…") return true;
  if (expected.is_object() && actual.is_object()) {
    const bool open = expected.contains("…");
    if (!open && expected.size() != actual.size()) return false;
    return std::all_of(expected.items().begin(), expected.items().end(), [&](const auto& member) {
      return member.key() == "…" ||
             (actual.contains(member.key()) && fits(member.value(), actual[member.key()]));
    });
  }
  if (expected.is_array() && actual.is_array()) {
    return std::equal(expected.begin(), expected.end(), actual.begin(), actual.end(), fits);
  }
  return expected == actual;
}

std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[++i] == 'x') {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == 'n' ? '\n' : text[i] == 'r' ? '\r' : text[i];
    }
  }
  return out;
}

pyember::mcp::ServerBounds bounds_of(const std::vector<Step>& steps) {
  auto bounds = pyember::mcp::ServerBounds::standard();
  for (const Step& step : steps) {
    if (step.verb != "option") continue;
    std::istringstream words(step.rest);
    std::string name;
    std::size_t value = 0;
    words >> name >> value;
    if (name == "page_size")
      bounds.page_size = value;
    else if (name == "requests_in_flight")
      bounds.requests_in_flight = value;
    else if (name == "bytes_in_flight")
      bounds.bytes_in_flight = value;
    else if (name == "subscriptions")
      bounds.subscriptions = value;
    else if (name == "uris_per_subscription")
      bounds.uris_per_subscription = value;
    else if (name == "line_bytes")
      bounds.line_bytes = value;
    else
      throw std::runtime_error("unknown option " + name);
  }
  return bounds;
}

class Player {
 public:
  explicit Player(const std::vector<Step>& steps) : scripted_(bounds_of(steps)) {}

  void play(const Step& step) {
    INFO("line " << step.number << ": " << step.verb << ' ' << step.rest);
    if (step.verb == "<-") return expect(step.rest);
    if (step.verb == "??") return check_fact(step.rest);
    expect_silence();
    if (step.verb == "->")
      scripted_.connection.receive(step.rest + '\n');
    else if (step.verb == "=>")
      scripted_.connection.receive(unescaped(step.rest));
    else if (step.verb == "!!")
      happen(step.rest);
    else if (step.verb != "option")
      FAIL("unknown step");
  }

  void expect_silence() {
    INFO("unexpected: " << (scripted_.output.lines.empty() ? "" : scripted_.output.lines.front()));
    REQUIRE(scripted_.output.lines.empty());
  }

 private:
  void expect(const std::string& expected) {
    REQUIRE_FALSE(scripted_.output.lines.empty());
    const std::string actual = scripted_.output.take();
    INFO("written: " << actual);
    REQUIRE(actual.find('\n') == std::string::npos);
    REQUIRE(fits(Json::parse(expected), Json::parse(actual)));
  }

  void happen(const std::string& event) {
    std::istringstream words(event);
    std::string what, first, second;
    words >> what >> first;
    if (what == "answer")
      scripted_.tools.answer(first);
    else if (what == "progress")
      progress(first, words);
    else if (what == "update")
      scripted_.server.resource_updated(first);
    else if (what == "read")
      scripted_.resources.read_late();
    else if (what == "tools")
      scripted_.server.tools_list_changed();
    else if (what == "resources")
      scripted_.server.resources_list_changed();
    else if (what == "log" && words >> second) {
      scripted_.server.log(pyember::mcp::parse_log_level(first).value(), "world", second);
    } else if (what == "end")
      scripted_.connection.receive_end();
    else
      FAIL("unknown event");
  }

  void progress(const std::string& key, std::istringstream& words) {
    double value = 0, total = 0;
    std::string text;
    words >> value >> total >> text;
    scripted_.tools.held.at(key)->progress(value, total, text);
  }

  void check_fact(const std::string& fact) {
    std::istringstream words(fact);
    std::string what, value;
    words >> what >> value;
    if (what == "cancelled") {
      REQUIRE(scripted_.tools.cancelled == std::vector<std::string>{value});
    } else if (what == "in" && words >> value) {
      REQUIRE(scripted_.server.in_flight() == std::stoul(value));
    } else {
      FAIL("unknown fact");
    }
  }

  ScriptedServer scripted_;
};

}  // namespace

TEST_CASE("Transcripts: the server says what they say") {
  const fs::path directory = PYEMBER_TRANSCRIPTS;
  const Definitions definitions(directory / "definitions.txt");
  int played = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".txt" || name == "definitions.txt") continue;
    ++played;
    DYNAMIC_SECTION(name) {
      const std::vector<Step> steps = read_steps(entry.path());
      Player player(steps);
      for (Step step : steps) {
        step.rest = definitions.expand(step.rest);
        player.play(step);
      }
      player.expect_silence();
    }
  }
  CHECK(played >= 20);  // the directory was found and is not nearly empty
}
