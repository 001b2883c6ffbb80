#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pyember::host {

// The stems that occur in a number of documents, and how much each says about each of them: BM25
// over several fields. Filled with add(), then finish(), then asked.
class SearchTerms {
 public:
  using Term = std::uint32_t;
  using Document = std::uint32_t;
  enum Field : std::size_t { Name, Server, Text, Rest };
  static constexpr std::size_t kFields = 4;

  struct Posting {
    Document document;
    float weight;  // of the term for the document; larger is better
    bool in_name;
  };
  // A term that a word of a query may mean. factor: 1 for the word itself, less for what is only
  // near it.
  struct Meaning {
    Term term;
    float factor;
  };

  Document new_document();
  Term add(Document document, Field field, std::string_view stem);
  // As add(), for a spelling of what is there already: it makes no field longer.
  Term add_spelling(Document document, Field field, std::string_view stem);
  void finish();

  bool knows(std::string_view stem) const { return find(stem) != nullptr; }
  // What a word may mean: itself, its beginnings and continuations, its synonyms; if it is no term,
  // those that differ by a letter or two, or hold it. How many letters depends on those of the
  // whole word. One entry for a term.
  std::vector<Meaning> meanings(std::string_view stem, std::size_t letters) const;
  // The stem itself, if it is a term, beside other meanings.
  void add_exact(std::string_view stem, std::vector<Meaning>& meanings) const;
  const std::vector<Posting>& postings(Term term) const { return terms_[term].postings; }
  // How much a term tells: above 0, most for those in one document only, and for unknown ones.
  float rarity(Term term) const { return terms_[term].rarity; }
  float rarity_of_unknown() const;
  std::size_t documents() const { return lengths_.size(); }

 private:
  using Counts = std::array<std::uint16_t, kFields>;
  struct Entry {
    Document document;
    Counts counts;
  };
  struct TermData {
    std::string text;
    std::uint32_t letters = 0;  // a bit for each that it has
    float rarity = 0;
    std::vector<Entry> entries;  // until finish()
    std::vector<Posting> postings;
  };

  const Term* find(std::string_view stem) const;
  float weight_of(const Entry& entry, const std::array<float, kFields>& averages) const;
  void add_near(std::string_view stem, std::size_t most, std::vector<Meaning>& meanings) const;

  std::unordered_map<std::string, Term> ids_;
  std::vector<TermData> terms_;
  std::vector<std::array<std::uint32_t, kFields>> lengths_;  // of the documents' fields, in terms
};

}  // namespace pyember::host
