#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/output/output_store.h"
#include "host/session/session_link.h"
#include "host/workers/session_copies.h"

namespace pyember::host {

// What a caller wants raced: each code runs in a copy of the same session.
struct RaceOrder {
  enum class Pick {
    FirstOk,  // the first that runs to its end becomes the session
    Best,     // all run, and of those that ran to their end the one with the greatest value does
    All,      // all run, none does
  };
  std::vector<std::string> codes;
  Pick pick = Pick::FirstOk;
  std::string expression;               // of Best
  std::chrono::milliseconds timeout{};  // of each
  std::optional<embed::UsageLimits> limits;
};

// Names that a candidate would have changed; each list is bounded.
struct NameChanges {
  std::vector<std::string> created;
  std::vector<std::string> rebound;
  std::vector<std::string> deleted;
  std::vector<std::string> mutated;  // the same object, changed in place
  std::vector<std::string> unknown;  // may have been: nobody could look into them
  std::size_t more = 0;              // names that found no room in the lists
};

// What became of one candidate.
struct RaceCandidate {
  embed::CellOutcome outcome;
  std::optional<NameChanges> changes;  // nothing: it was stopped, or lost
  std::optional<double> value;         // of the expression
  std::string disqualified;            // why it has none
  std::vector<std::string> left;       // what its copy lacked of the session
};

struct RaceResult {
  RaceOrder order;
  std::vector<RaceCandidate> candidates;
  std::vector<std::unique_ptr<OutputStore>> outputs;  // by candidate, under the race's number
  std::optional<std::size_t> adopted;
  std::string problem;  // why nothing was run; empty: it was
};

// Candidates that run in copies of a session, from the copies' being made to the choice. The
// session itself is not touched. Each copy is marked, runs its code, says what that has changed
// and, for Best, what the expression gives; a copy that dies is lost alone. Who is slower than the
// first to end, or is stopped, is gone with its copy at once.
//
// Owned by the HostSession; loop's thread only. Destroying it ends the copies; `ended` is not
// called then. It may be destroyed from within `ended`, or while it handles nothing.
class Race {
 public:
  // A link to a new copy of the session, and what is done with one that is no more needed.
  struct Copies {
    std::function<std::unique_ptr<SessionLink>(SessionLink::Owner&, Copied, std::uint64_t& id)>
        open;
    std::function<void(std::unique_ptr<SessionLink>, std::uint64_t id)> retire;
  };
  struct Told {
    std::function<void(std::size_t candidate, std::string_view output)> output;
    std::function<void()> ended;  // once, the last call
    // For what a candidate's code asks of MCP servers; empty: it may ask nothing.
    std::function<std::shared_ptr<RunPermit>()> permit = {};
  };

  Race(RaceOrder order, embed::CellNumber number, Copies copies, Told told);
  ~Race();
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;

  embed::CellNumber number() const { return number_; }
  // A candidate is to be adopted: it waits for take_adopted(), and may die until then.
  bool has_winner() const { return result_.adopted.has_value(); }
  // Gone when the race is.
  std::weak_ptr<const bool> alive() const { return alive_; }
  std::chrono::nanoseconds elapsed() const;

  // Handles what the copies have told.
  void pump();
  // Ends it without a choice; `ended` is called.
  void stop(const std::string& why);

  // From `ended` on.
  RaceResult take_result();
  std::unique_ptr<SessionLink> take_adopted(std::uint64_t& id);

 private:
  class Runner;

  void marked(Runner& runner, const std::string& problem);
  void candidate_ended(Runner& runner);
  void choose_best();
  void finish(const std::string& why_stopped);

  const embed::CellNumber number_;
  const Copies copies_;
  const Told told_;
  const std::uint64_t began_ns_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  RaceResult result_;
  std::vector<std::unique_ptr<Runner>> runners_;
  bool over_ = false;
};

}  // namespace pyember::host
