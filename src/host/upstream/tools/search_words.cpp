#include "host/upstream/tools/search_words.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace pyember::host {

namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_word_character(char c) {
  return is_upper(c) || is_lower(c) || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80;
}
char lowered(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out(text.substr(0, kLongestSearchWord));
  for (char& c : out) c = lowered(c);
  return out;
}

// A part begins at a capital behind a small letter (createIssue) and at one before a small letter
// (HTTPServer). An "s" behind capitals is a plural (URLs).
bool begins_part(std::string_view run, std::size_t i) {
  if (i == 0 || !is_upper(run[i])) return false;
  if (!is_upper(run[i - 1])) return true;
  if (i + 1 >= run.size() || !is_lower(run[i + 1])) return false;
  return !(run[i + 1] == 's' && (i + 2 == run.size() || is_upper(run[i + 2])));
}

SearchWord word_of(std::string_view run) {
  SearchWord word{lowered(run), {}};
  std::size_t begin = 0;
  for (std::size_t i = 1; i <= run.size(); ++i) {
    if (i < run.size() && !begins_part(run, i)) continue;
    word.parts.push_back(lowered(run.substr(begin, i - begin)));
    begin = i;
  }
  return word;
}

bool has_vowel(std::string_view text) {
  return text.find_first_of("aeiouy") != std::string_view::npos;
}

// What is left of `stem` without an ending, when that is a word still: "stopp" of stopping is stop.
bool drop_ending(std::string& word, std::string_view ending) {
  if (!word.ends_with(ending)) return false;
  const std::string_view rest = std::string_view(word).substr(0, word.size() - ending.size());
  if (rest.size() < 3 || !has_vowel(rest)) return false;
  word.resize(rest.size());
  const char last = word.back();
  const bool doubled = word[word.size() - 2] == last;
  if (doubled && std::string_view("bdgmnprt").find(last) != std::string_view::npos) word.pop_back();
  return true;
}

void drop_plural(std::string& word) {
  if (word.size() < 4 || word.back() != 's') return;
  if (word.ends_with("ss") || word.ends_with("us") || word.ends_with("is")) return;
  if (word.ends_with("ies") && word.size() > 4) {
    word.replace(word.size() - 3, 3, "y");
    return;
  }
  const bool hissing = word.ends_with("sses") || word.ends_with("xes") || word.ends_with("ches") ||
                       word.ends_with("shes");
  word.resize(word.size() - (hissing ? 2 : 1));
}

// Groups of words that names of tools use for the same.
const std::unordered_map<std::string_view, std::vector<std::string_view>>& synonyms() {
  static const auto* const kSynonyms = [] {
    // As stems.
    const std::initializer_list<std::vector<std::string_view>> groups = {
        {"creat", "mak", "add", "new"},
        {"delet", "remov", "destroy", "eras"},
        {"get", "read", "fetch", "retriev", "show", "view"},
        {"list", "show", "enumerat"},
        {"search", "find", "lookup", "query"},
        {"updat", "edit", "modify", "chang"},
        {"send", "post"},
        {"run", "execut", "invok", "launch"},
        {"start", "begin", "launch"},
        {"stop", "end", "halt", "terminat"},
        {"folder", "directory"},
        {"file", "document"},
        {"email", "mail"},
        {"imag", "pictur", "photo"},
        {"user", "member", "person", "peopl"},
        {"issu", "ticket", "bug"},
        {"meet", "appointment", "event"},
        {"task", "todo"},
        {"complet", "finish", "done"},
        {"sms", "text"},
        {"copy", "duplicat"},
        {"repo", "repository"},
        {"upload", "attach"},
        {"download", "fetch"},
        {"pay", "payment"},
        {"buy", "purchas"},
        {"company", "organization"},
    };
    auto* map = new std::unordered_map<std::string_view, std::vector<std::string_view>>;
    for (const auto& group : groups) {
      for (const std::string_view word : group) {
        for (const std::string_view other : group) {
          if (other != word) (*map)[word].push_back(other);
        }
      }
    }
    return map;
  }();
  return *kSynonyms;
}

}  // namespace

std::vector<SearchWord> search_words(std::string_view text) {
  std::vector<SearchWord> words;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = begin;
    while (end < text.size() && is_word_character(text[end])) ++end;
    if (end > begin) words.push_back(word_of(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return words;
}

std::string search_stem(std::string_view word) {
  std::string stem(word.substr(0, kLongestSearchWord));
  drop_plural(stem);
  if (!drop_ending(stem, "ing")) drop_ending(stem, "ed");
  if (stem.size() > 3 && stem.back() == 'e') stem.pop_back();
  return stem;
}

bool is_filler(std::string_view word) {
  static constexpr std::array<std::string_view, 51> kFillers = {
      "a",     "an",    "and",   "any",    "are",  "as",       "at",        "be",   "by",
      "can",   "do",    "does",  "for",    "from", "given",    "how",       "i",    "in",
      "into",  "is",    "it",    "its",    "me",   "my",       "need",      "of",   "on",
      "one",   "or",    "our",   "please", "some", "somebody", "something", "that", "the",
      "their", "them",  "there", "these",  "this", "to",       "tool",      "use",  "want",
      "what",  "which", "will",  "with",   "you",  "your"};
  return std::find(kFillers.begin(), kFillers.end(), word) != kFillers.end();
}

std::vector<std::string_view> search_synonyms(std::string_view stem) {
  const auto found = synonyms().find(stem);
  return found == synonyms().end() ? std::vector<std::string_view>() : found->second;
}

// Restricted Damerau–Levenshtein, three rows at a time.
std::size_t word_distance(std::string_view left, std::string_view right, std::size_t most) {
  if (left.size() > kLongestSearchWord || right.size() > kLongestSearchWord) return most + 1;
  if (std::max(left.size(), right.size()) - std::min(left.size(), right.size()) > most) {
    return most + 1;
  }
  std::array<std::array<std::size_t, kLongestSearchWord + 1>, 3> rows;
  for (std::size_t j = 0; j <= right.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    const auto& before = rows[(i + 1) % 3];
    row[0] = i;
    std::size_t least = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const bool same = left[i - 1] == right[j - 1];
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      const bool swapped =
          i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
      least = std::min(least, row[j]);
    }
    if (least > most) return most + 1;  // a row's least is at most one above that before it
  }
  return std::min(rows[left.size() % 3][right.size()], most + 1);
}

}  // namespace pyember::host
