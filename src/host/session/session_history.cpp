#include "host/session/session_history.h"

#include <cstdint>
#include <string_view>
#include <utility>

namespace pyember::host {

using mcp::Json;

namespace {

constexpr embed::Status kStatuses[] = {embed::Status::Completed, embed::Status::Raised,
                                       embed::Status::Interrupted, embed::Status::TimedOut,
                                       embed::Status::Lost};

std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool read_status(const Json& cell, embed::Status& status) {
  const std::string told = text_in(cell, "status");
  for (const embed::Status each : kStatuses) {
    if (told != embed::to_string(each)) continue;
    status = each;
    return true;
  }
  return false;
}

Json described(const PastCell& cell) {
  Json fields = {{"cell", cell.number},
                 {"code", cell.code},
                 {"status", embed::to_string(cell.status)},
                 {"elapsed_ns", cell.elapsed.count()}};
  if (cell.result) fields["result"] = *cell.result;
  if (cell.error) {
    fields["error"] = {{"type", cell.error->type},
                       {"message", cell.error->message},
                       {"traceback", cell.error->traceback}};
  }
  if (!cell.notices.empty()) fields["notices"] = cell.notices;
  return fields;
}

std::optional<PastCell> read(const Json& fields) {
  PastCell cell;
  if (!fields.is_object() || !read_status(fields, cell.status)) return std::nullopt;
  const auto number = fields.find("cell");
  if (number == fields.end() || !number->is_number_unsigned()) return std::nullopt;
  cell.number = number->get<embed::CellNumber>();
  cell.code = text_in(fields, "code");
  cell.carried = true;
  if (const auto elapsed = fields.find("elapsed_ns");
      elapsed != fields.end() && elapsed->is_number_integer()) {
    cell.elapsed = std::chrono::nanoseconds(elapsed->get<std::int64_t>());
  }
  if (fields.contains("result")) cell.result = text_in(fields, "result");
  if (const auto error = fields.find("error"); error != fields.end() && error->is_object()) {
    cell.error = embed::CellError{text_in(*error, "type"), text_in(*error, "message"),
                                  text_in(*error, "traceback")};
  }
  if (const auto notices = fields.find("notices"); notices != fields.end()) {
    for (const Json& each : *notices) {
      if (each.is_string()) cell.notices.push_back(each.get<std::string>());
    }
  }
  return cell;
}

}  // namespace

std::size_t PastCell::bytes() const {
  std::size_t sum = sizeof(PastCell) + code.size();
  if (result) sum += result->size();
  if (error) sum += error->type.size() + error->message.size() + error->traceback.size();
  for (const std::string& notice : notices) sum += notice.size();
  return sum;
}

void SessionHistory::add(embed::CellNumber number, std::string code,
                         const embed::CellOutcome& outcome) {
  cells_.push_back({number, std::move(code), outcome.status, outcome.result, outcome.error,
                    outcome.notices, outcome.elapsed});
  held_ += cells_.back().bytes();
  drop_oldest();
}

void SessionHistory::clear() {
  cells_.clear();
  held_ = dropped_ = 0;
}

void SessionHistory::forget_from(embed::CellNumber number) {
  while (!cells_.empty() && !cells_.back().carried && cells_.back().number >= number) {
    held_ -= cells_.back().bytes();
    cells_.pop_back();
  }
}

void SessionHistory::drop_oldest() {
  while (cells_.size() > 1 && (held_ > held_limit_ || cells_.size() > limits::kHistoryCells)) {
    held_ -= cells_.front().bytes();
    cells_.pop_front();
    ++dropped_;
  }
}

Json SessionHistory::to_json() const {
  Json cells = Json::array();
  for (const PastCell& cell : cells_) cells.push_back(described(cell));
  return {{"dropped", dropped_}, {"cells", std::move(cells)}};
}

void SessionHistory::add_from_json(const Json& saved) {
  if (!saved.is_object()) return;
  const auto cells = saved.find("cells");
  if (cells == saved.end() || !cells->is_array()) return;
  if (const auto dropped = saved.find("dropped");
      dropped != saved.end() && dropped->is_number_unsigned()) {
    dropped_ += dropped->get<std::size_t>();
  }
  std::deque<PastCell> own = std::exchange(cells_, {});
  for (const Json& each : *cells) {
    std::optional<PastCell> cell = read(each);
    if (!cell) continue;
    held_ += cell->bytes();
    cells_.push_back(std::move(*cell));
  }
  for (PastCell& each : own) cells_.push_back(std::move(each));
  drop_oldest();
}

}  // namespace pyember::host
