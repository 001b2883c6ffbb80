#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// Words, as search compares them.
namespace pyember::host {

// A run of letters and digits. Bytes that are not ASCII count as letters.
struct SearchWord {
  std::string whole;               // in lower case: "github" of GitHub
  std::vector<std::string> parts;  // where capitals begin new words: "git", "hub"; else the whole
};
std::vector<SearchWord> search_words(std::string_view text);

// Its beginning that related words share: "creat" of create, creates, created and creating.
std::string search_stem(std::string_view word);

// Words that say nothing about what is looked for: "the", "of".
bool is_filler(std::string_view word);

// Stems that tools' makers use for the same as this one; empty: none known.
std::vector<std::string_view> search_synonyms(std::string_view stem);

// The number of letters to insert, remove, replace or swap with their neighbour until the words are
// the same; above `most` it is most + 1. For words of at most kLongestSearchWord bytes.
std::size_t word_distance(std::string_view left, std::string_view right, std::size_t most);
inline constexpr std::size_t kLongestSearchWord = 40;  // longer ones are cut

}  // namespace pyember::host
