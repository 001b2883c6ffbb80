#include "host/upstream/tools/tool_index.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "host/upstream/tools/search_terms.h"
#include "host/upstream/tools/search_words.h"

// Every tool is a document of four fields: its name; its server; title and description; the names
// of its arguments and what its server is for. A query is split into words as names are. A tool's
// score is the sum over the words of what their best meaning says about it (BM25), raised by how
// much of its name was asked for. Before the score comes the rank: a tool whose name is the query,
// then those where every word is found, then those where enough of them is.
namespace pyember::host {

using mcp::Json;

namespace {

constexpr float kNameShare = 0.6f;     // what a name that is wholly asked for adds, of the score
constexpr float kLeastCovered = 0.3f;  // of what the words tell, to be found at all
constexpr std::size_t kServerTextBytes = 2u << 20;  // of one upstream; others want to be found too

std::string joined(const std::vector<SearchWord>& words) {
  std::string text;
  for (const SearchWord& word : words) text += word.whole;
  return text;
}

struct QueryWord {
  std::string text;
  std::string stem;
  bool filler;
};

}  // namespace

class ToolIndex::Impl {
 public:
  explicit Impl(std::vector<SharedTools> servers);
  std::vector<Found> search(std::string_view query, std::size_t limit) const;

 private:
  using Term = SearchTerms::Term;
  using Field = SearchTerms::Field;
  struct Document {
    const ServerTools* server;
    const ToolDescription* tool;
    std::vector<Term> name;   // its words, without those of the server
    std::string joined_name;  // "createissue"
    std::string joined_server;
  };
  struct Score {
    float total = 0;
    float covered = 0;        // of what all words tell
    std::uint32_t words = 0;  // which of them, as bits
  };
  static_assert(limits::kSearchQueryWords <= 32);
  enum Rank { NotFound, SomeWords, AllWords, ExactName };
  struct Hit {
    Rank rank;
    float score;
    SearchTerms::Document document;
    bool operator<(const Hit& other) const {  // is better
      return std::tie(other.rank, other.score, document) < std::tie(rank, score, other.document);
    }
  };

  void add_server(const ServerTools& server);
  void add_tool(const ServerTools& server, const ToolDescription& tool, bool with_text);
  void add_name(SearchTerms::Document number, Document& document);
  void add_text(SearchTerms::Document number, Field field, std::string_view text);
  std::vector<QueryWord> words_of(const std::vector<SearchWord>& query) const;

  class Scores;
  Scores score(const std::vector<QueryWord>& words) const;
  float rarity_of(const std::vector<SearchTerms::Meaning>& meanings) const;
  Rank rank_of(SearchTerms::Document number, const Scores& scores, std::string_view name) const;

  std::vector<SharedTools> servers_;
  SearchTerms terms_;
  std::vector<Document> documents_;
};

// --- making it -----------------------------------------------------------------------------------

ToolIndex::Impl::Impl(std::vector<SharedTools> servers) : servers_(std::move(servers)) {
  for (const SharedTools& server : servers_) add_server(*server);
  terms_.finish();
}

void ToolIndex::Impl::add_server(const ServerTools& server) {
  std::size_t bytes = 0;
  for (const ToolDescription& tool : server.tools) {
    bytes += tool.name.size() + std::min(tool.description.size(), limits::kSearchTextBytes);
    add_tool(server, tool, bytes <= kServerTextBytes);
  }
}

void ToolIndex::Impl::add_text(SearchTerms::Document number, Field field, std::string_view text) {
  for (const SearchWord& word : search_words(text.substr(0, limits::kSearchTextBytes))) {
    for (const std::string& part : word.parts) {
      if (!is_filler(part)) terms_.add(number, field, search_stem(part));
    }
    if (word.parts.size() > 1) terms_.add_spelling(number, field, search_stem(word.whole));
  }
}

// Its words, and each two of them that are neighbours as one, since people write them so.
void ToolIndex::Impl::add_name(SearchTerms::Document number, Document& document) {
  const std::vector<SearchWord> words = search_words(document.tool->name);
  std::vector<std::string> parts;
  for (const SearchWord& word : words) {
    parts.insert(parts.end(), word.parts.begin(), word.parts.end());
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Term term = terms_.add(number, Field::Name, search_stem(parts[i]));
    if (parts[i] != document.joined_server) document.name.push_back(term);
    if (i > 0) terms_.add_spelling(number, Field::Name, search_stem(parts[i - 1] + parts[i]));
  }
  document.joined_name = joined(words);
}

void ToolIndex::Impl::add_tool(const ServerTools& server, const ToolDescription& tool,
                               bool with_text) {
  const SearchTerms::Document number = terms_.new_document();
  Document document{&server, &tool, {}, {}, joined(search_words(server.server))};
  add_name(number, document);
  add_text(number, Field::Server, server.server);
  if (document.joined_server != server.server) {
    terms_.add_spelling(number, Field::Server, document.joined_server);
  }
  if (with_text) {
    add_text(number, Field::Text, tool.title);
    add_text(number, Field::Text, tool.description);
    add_text(number, Field::Rest, server.description);
    const auto properties = tool.input_schema.find("properties");
    if (properties != tool.input_schema.end() && properties->is_object()) {
      for (const auto& member : properties->items()) add_text(number, Field::Rest, member.key());
    }
  }
  documents_.push_back(std::move(document));
}

// --- asking it -----------------------------------------------------------------------------------

// A run with capitals is one word if it is known as one (GitHub), else its parts (createIssue).
std::vector<QueryWord> ToolIndex::Impl::words_of(const std::vector<SearchWord>& query) const {
  std::vector<QueryWord> words;
  const auto add = [&words](const std::string& text) {
    QueryWord word{text, search_stem(text), is_filler(text)};
    const bool known = std::any_of(words.begin(), words.end(), [&word](const QueryWord& other) {
      return other.stem == word.stem;
    });
    if (!known && words.size() < limits::kSearchQueryWords) words.push_back(std::move(word));
  };
  for (const SearchWord& word : query) {
    if (word.parts.size() == 1 || terms_.knows(search_stem(word.whole))) {
      add(word.whole);
    } else {
      for (const std::string& part : word.parts) add(part);
    }
  }
  const bool only_fillers =
      std::all_of(words.begin(), words.end(), [](const QueryWord& word) { return word.filler; });
  if (only_fillers) {
    for (QueryWord& word : words) word.filler = false;
  }
  return words;
}

// The scores of all documents for one query, word by word.
class ToolIndex::Impl::Scores {
 public:
  explicit Scores(const SearchTerms& terms)
      : terms_(terms), scores_(terms.documents()), best_(terms.documents()) {}

  struct Place {
    std::size_t number;  // of the word in the query
    float rarity;
  };
  void add(const QueryWord& word, Place place, const std::vector<SearchTerms::Meaning>& meanings);

  const Score& of(SearchTerms::Document document) const { return scores_[document]; }
  float wanted() const { return wanted_; }  // what all words tell
  std::uint32_t all_words() const { return all_words_; }
  // How much of these terms was asked for, from 0 to 1.
  float share_of(const std::vector<Term>& terms) const;

 private:
  struct Best {
    float weight = 0;
    float factor = 0;
  };

  const SearchTerms& terms_;
  std::vector<Score> scores_;
  std::vector<Best> best_;  // of the word that is added
  std::vector<SearchTerms::Document> touched_;
  std::unordered_map<Term, float> asked_;
  float wanted_ = 0;
  std::uint32_t all_words_ = 0;
};

void ToolIndex::Impl::Scores::add(const QueryWord& word, Place place,
                                  const std::vector<SearchTerms::Meaning>& meanings) {
  for (const SearchTerms::Meaning& meaning : meanings) {
    float& asked = asked_[meaning.term];
    asked = std::max(asked, meaning.factor);
    for (const SearchTerms::Posting& posting : terms_.postings(meaning.term)) {
      if (word.filler && !posting.in_name) continue;
      Best& best = best_[posting.document];
      if (best.factor == 0) touched_.push_back(posting.document);
      best.weight = std::max(best.weight, meaning.factor * posting.weight);
      best.factor = std::max(best.factor, meaning.factor);
    }
  }
  const std::uint32_t bit = word.filler ? 0 : 1u << place.number;
  all_words_ |= bit;
  wanted_ += word.filler ? 0 : place.rarity;
  for (const SearchTerms::Document document : touched_) {
    Score& score = scores_[document];
    Best& best = best_[document];
    score.total += best.weight;
    score.covered += word.filler ? 0 : place.rarity * best.factor;
    score.words |= bit;
    best = {};
  }
  touched_.clear();
}

float ToolIndex::Impl::Scores::share_of(const std::vector<Term>& terms) const {
  if (terms.empty()) return 0;
  float sum = 0;
  for (const Term term : terms) {
    if (const auto asked = asked_.find(term); asked != asked_.end()) sum += asked->second;
  }
  return sum / static_cast<float>(terms.size());
}

ToolIndex::Impl::Scores ToolIndex::Impl::score(const std::vector<QueryWord>& words) const {
  Scores scores(terms_);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::vector<SearchTerms::Meaning> meanings =
        terms_.meanings(words[i].stem, words[i].text.size());
    const float rarity = rarity_of(meanings);
    // "free busy" may be the freebusy of a name, and both words mean it then.
    if (i > 0) terms_.add_exact(words[i - 1].text + words[i].stem, meanings);
    if (i + 1 < words.size()) terms_.add_exact(words[i].text + words[i + 1].stem, meanings);
    scores.add(words[i], {i, rarity}, meanings);
  }
  return scores;
}

// What a word tells, is what its nearest meaning tells.
float ToolIndex::Impl::rarity_of(const std::vector<SearchTerms::Meaning>& meanings) const {
  float rarity = terms_.rarity_of_unknown();
  float nearest = 0;
  for (const SearchTerms::Meaning& meaning : meanings) {
    if (meaning.factor > nearest) rarity = terms_.rarity(meaning.term);
    nearest = std::max(nearest, meaning.factor);
  }
  return rarity;
}

ToolIndex::Impl::Rank ToolIndex::Impl::rank_of(SearchTerms::Document number, const Scores& scores,
                                               std::string_view name) const {
  const Document& document = documents_[number];
  const std::string& own = document.joined_name;
  const std::string& server = document.joined_server;
  if (own == name || server + own == std::string(name) || own == server + std::string(name)) {
    return ExactName;
  }
  const Score& score = scores.of(number);
  if (score.words == 0) return NotFound;
  if ((score.words & scores.all_words()) == scores.all_words()) return AllWords;
  return score.covered >= kLeastCovered * scores.wanted() ? SomeWords : NotFound;
}

std::vector<ToolIndex::Found> ToolIndex::Impl::search(std::string_view query,
                                                      std::size_t limit) const {
  const std::vector<SearchWord> asked = search_words(query.substr(0, limits::kSearchQueryBytes));
  if (asked.empty()) return {};
  const std::string name = joined(asked);
  const Scores scores = score(words_of(asked));
  std::vector<Hit> hits;
  for (SearchTerms::Document i = 0; i < documents_.size(); ++i) {
    const Rank rank = rank_of(i, scores, name);
    if (rank == NotFound) continue;
    const float share = scores.share_of(documents_[i].name);
    hits.push_back({rank, scores.of(i).total * (1 + kNameShare * share), i});
  }
  const auto kept = static_cast<std::ptrdiff_t>(std::min(limit, hits.size()));
  std::partial_sort(hits.begin(), hits.begin() + kept, hits.end());
  std::vector<Found> found;
  for (auto hit = hits.begin(); hit != hits.begin() + kept; ++hit) {
    const Document& document = documents_[hit->document];
    found.push_back({document.server, document.tool, hit->score});
  }
  return found;
}

// --- outside -------------------------------------------------------------------------------------

ToolIndex::ToolIndex(std::vector<SharedTools> servers)
    : impl_(std::make_unique<Impl>(std::move(servers))) {}
ToolIndex::~ToolIndex() = default;
ToolIndex::ToolIndex(ToolIndex&&) noexcept = default;
ToolIndex& ToolIndex::operator=(ToolIndex&&) noexcept = default;

std::vector<ToolIndex::Found> ToolIndex::search(std::string_view query, std::size_t limit) const {
  return impl_->search(query, limit);
}

}  // namespace pyember::host
