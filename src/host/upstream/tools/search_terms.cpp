#include "host/upstream/tools/search_terms.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "host/upstream/tools/search_words.h"

namespace pyember::host {

namespace {

// BM25's parameters. A word of a tool's name says most; that it is there, not how often.
constexpr float kSaturation = 1.2f;
constexpr std::array<float, SearchTerms::kFields> kFieldWeights = {5.0f, 3.0f, 1.2f, 0.3f};
constexpr std::array<float, SearchTerms::kFields> kLengthWeights = {0.5f, 0.0f, 0.6f, 0.6f};

// What a meaning is worth that is not the word itself.
constexpr float kSynonym = 0.5f;
constexpr float kOneOff = 0.7f;  // a letter is wrong
constexpr float kTwoOff = 0.5f;
constexpr float kInside = 0.4f;
constexpr std::size_t kShortestPrefix = 3;
constexpr std::size_t kShortestInside = 4;

std::uint32_t letters_of(std::string_view text) {
  std::uint32_t letters = 0;
  for (const char c : text) letters |= 1u << (static_cast<unsigned char>(c) & 31u);
  return letters;
}

// How many letters of a word may be wrong.
std::size_t bearable_distance(std::size_t length) { return length < 4 ? 0 : length < 8 ? 1 : 2; }

float beginning_factor(std::size_t shorter, std::size_t longer) {
  return 0.4f + 0.5f * static_cast<float>(shorter) / static_cast<float>(longer);
}

void keep_best(std::vector<SearchTerms::Meaning>& meanings) {
  std::sort(meanings.begin(), meanings.end(), [](const auto& left, const auto& right) {
    return left.term != right.term ? left.term < right.term : left.factor > right.factor;
  });
  const auto same = [](const auto& left, const auto& right) { return left.term == right.term; };
  meanings.erase(std::unique(meanings.begin(), meanings.end(), same), meanings.end());
}

}  // namespace

SearchTerms::Document SearchTerms::new_document() {
  lengths_.push_back({});
  return static_cast<Document>(lengths_.size() - 1);
}

const SearchTerms::Term* SearchTerms::find(std::string_view stem) const {
  const auto found = ids_.find(std::string(stem));
  return found == ids_.end() ? nullptr : &found->second;
}

SearchTerms::Term SearchTerms::add(Document document, Field field, std::string_view stem) {
  ++lengths_[document][field];
  return add_spelling(document, field, stem);
}

SearchTerms::Term SearchTerms::add_spelling(Document document, Field field, std::string_view stem) {
  const auto [place, is_new] =
      ids_.try_emplace(std::string(stem), static_cast<Term>(terms_.size()));
  if (is_new) terms_.push_back({std::string(stem), letters_of(stem), 0, {}, {}});
  auto& entries = terms_[place->second].entries;
  // Documents are added one after another, so this one can only be the last.
  if (entries.empty() || entries.back().document != document) entries.push_back({document, {}});
  auto& count = entries.back().counts[field];
  if (count < std::numeric_limits<std::uint16_t>::max()) ++count;
  return place->second;
}

float SearchTerms::weight_of(const Entry& entry, const std::array<float, kFields>& averages) const {
  float weight = 0;
  for (std::size_t field = 0; field < kFields; ++field) {
    const auto length = static_cast<float>(lengths_[entry.document][field]);
    const float relative = averages[field] > 0 ? length / averages[field] : 1.0f;
    const float norm = 1.0f - kLengthWeights[field] + kLengthWeights[field] * relative;
    weight += kFieldWeights[field] * static_cast<float>(entry.counts[field]) / norm;
  }
  return weight / (kSaturation + weight);
}

void SearchTerms::finish() {
  std::array<float, kFields> averages{};
  for (const auto& lengths : lengths_) {
    for (std::size_t field = 0; field < kFields; ++field) {
      averages[field] += static_cast<float>(lengths[field]) / static_cast<float>(documents());
    }
  }
  const auto all = static_cast<float>(documents());
  for (TermData& term : terms_) {
    const auto some = static_cast<float>(term.entries.size());
    term.rarity = std::log(1.0f + (all - some + 0.5f) / (some + 0.5f));
    term.postings.reserve(term.entries.size());
    for (const Entry& entry : term.entries) {
      const float weight = term.rarity * weight_of(entry, averages);
      term.postings.push_back({entry.document, weight, entry.counts[Name] > 0});
    }
    term.entries = {};
  }
}

float SearchTerms::rarity_of_unknown() const {
  return std::log(1.0f + (static_cast<float>(documents()) + 0.5f) / 0.5f);
}

std::vector<SearchTerms::Meaning> SearchTerms::meanings(std::string_view stem,
                                                        std::size_t letters) const {
  std::vector<Meaning> meanings;
  add_exact(stem, meanings);
  const bool known = !meanings.empty();
  for (const std::string_view other : search_synonyms(stem)) {
    if (const Term* term = find(other)) meanings.push_back({*term, kSynonym});
  }
  for (Term term = 0; term < terms_.size(); ++term) {
    const std::string& text = terms_[term].text;
    if (stem.size() >= kShortestPrefix && text.size() > stem.size() && text.starts_with(stem)) {
      meanings.push_back({term, beginning_factor(stem.size(), text.size())});
    }
  }
  if (!known) add_near(stem, bearable_distance(letters), meanings);
  keep_best(meanings);
  return meanings;
}

void SearchTerms::add_exact(std::string_view stem, std::vector<Meaning>& meanings) const {
  if (const Term* term = find(stem)) meanings.push_back({*term, 1.0f});
}

void SearchTerms::add_near(std::string_view stem, std::size_t most,
                           std::vector<Meaning>& meanings) const {
  const std::uint32_t letters = letters_of(stem);
  std::vector<Meaning> two_off;
  for (Term term = 0; term < terms_.size(); ++term) {
    const TermData& data = terms_[term];
    if (data.text.size() >= kShortestInside && stem.starts_with(data.text)) {
      meanings.push_back({term, beginning_factor(data.text.size(), stem.size())});
    } else if (stem.size() >= kShortestInside && data.text.find(stem) != std::string::npos) {
      meanings.push_back({term, kInside});
    }
    // An edit changes at most two of the letters that a word has.
    if (most == 0 || static_cast<std::size_t>(std::popcount(letters ^ data.letters)) > 2 * most) {
      continue;
    }
    const std::size_t distance = word_distance(stem, data.text, most);
    if (distance == 1) meanings.push_back({term, kOneOff});
    if (distance == 2 && most == 2) two_off.push_back({term, kTwoOff});
    if (distance == 1) most = 1;  // then nobody meant what is further away
  }
  if (most == 2) meanings.insert(meanings.end(), two_off.begin(), two_off.end());
}

}  // namespace pyember::host
