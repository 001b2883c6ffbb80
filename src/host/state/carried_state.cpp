#include "host/state/carried_state.h"

#include <fmt/format.h>

#include "mcp/json.h"

namespace pyember::host {

namespace {

using mcp::Json;

constexpr std::size_t kNamed = 20;

// What comes from a worker may have any form.
std::string text_in(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

const Json& member(const Json& object, const char* name) {
  static const Json none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

CarriedState::Reasons reasons_in(const Json& list) {
  CarriedState::Reasons reasons;
  for (const Json& pair : list) {
    if (pair.is_array() && pair.size() == 2) {
      reasons.emplace_back(text_in(pair[0]), text_in(pair[1]));
    }
  }
  return reasons;
}

class WhenCarried final : public CellObserver {
 public:
  explicit WhenCarried(StateCallback done) : done_(std::move(done)) {}
  void cell_ended(CellEnd end) override {
    done_(carried_state(end.outcome), std::move(end.outcome.notices));
  }

 private:
  const StateCallback done_;
};

}  // namespace

CarriedState carried_state(const embed::CellOutcome& outcome) {
  CarriedState state;
  if (outcome.status != embed::Status::Completed) {
    state.problem = outcome.error && !outcome.error->message.empty()
                        ? outcome.error->message
                        : fmt::format("it was {} before it was done.",
                                      outcome.status == embed::Status::TimedOut
                                          ? "stopped, because its time was over,"
                                          : embed::to_string(outcome.status));
    return state;
  }
  const Result<Json> told = mcp::parse_json(outcome.result.value_or("{}"));
  state.done = true;
  if (!told || !told.value().is_object()) return state;
  const Json& summary = told.value();
  for (const Json& each : member(summary, "names")) state.names.push_back(text_in(each));
  state.left_behind = reasons_in(member(summary, "left_behind"));
  const Json& count = member(summary, "left_behind_count");
  state.left_behind_count =
      count.is_number_unsigned() ? count.get<std::size_t>() : state.left_behind.size();
  state.running = text_in(member(summary, "running"));
  state.missing = reasons_in(member(summary, "missing"));
  state.troubles = reasons_in(member(summary, "troubles"));
  return state;
}

std::string in_words(const CarriedState::Reasons& reasons) {
  std::vector<std::pair<std::string, std::string>> by_reason;  // reason, names
  for (std::size_t i = 0; i < reasons.size() && i < kNamed; ++i) {
    const auto& [name, reason] = reasons[i];
    auto known = by_reason.begin();
    while (known != by_reason.end() && known->first != reason) ++known;
    if (known == by_reason.end()) {
      by_reason.emplace_back(reason, name);
    } else {
      known->second += ", " + name;
    }
  }
  std::string words;
  for (const auto& [reason, names] : by_reason) {
    words += fmt::format("{}{} ({})", words.empty() ? "" : "; ", names, reason);
  }
  if (reasons.size() > kNamed) words += fmt::format("; and {} more", reasons.size() - kNamed);
  return words;
}

std::unique_ptr<CellObserver> when_carried(StateCallback done) {
  return std::make_unique<WhenCarried>(std::move(done));
}

}  // namespace pyember::host
