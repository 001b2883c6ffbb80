#include "journal/request_log.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "journal/journal_memory.h"
#include "journal/layout.h"

namespace pyember::journal {

RequestLog::RequestLog(Layout& layout) : layout_(layout) {
  for (Ticket ticket = kRequests; ticket > 0; --ticket) {
    free_.push_back(ticket - 1);  // the first is used first: few pages are ever touched
  }
}

RequestState& RequestLog::entry(Ticket ticket) {
  CHECK(ticket < kRequests);
  return layout_.requests[ticket];
}

Ticket RequestLog::add(std::string_view line, std::uint64_t position) {
  if (free_.empty()) return kNoTicket;
  const Ticket ticket = free_.back();
  RequestState& added = entry(ticket);
  added.truncated = 0;
  if (line.size() > sizeof added.text && !keep_long(added, line)) {
    added.truncated = 1;
    line = line.substr(0, sizeof added.text);
  }
  if (line.size() <= sizeof added.text) std::memcpy(added.text, line.data(), line.size());
  added.size = static_cast<std::uint32_t>(line.size());
  added.answered_at = 0;
  added.begun = 0;
  added.live = position;
  free_.pop_back();
  return ticket;
}

// Into the first gap that is large enough.
bool RequestLog::keep_long(RequestState& entry, std::string_view line) {
  const std::uint64_t size = (line.size() + kPage - 1) / kPage * kPage;
  std::uint64_t begin = 0;
  for (const auto& [where, taken] : long_lines_) {
    if (where - begin >= size) break;
    begin = where + taken;
  }
  if (begin + size > kLongLineBytes) return false;
  std::memcpy(layout_.long_lines + begin, line.data(), line.size());
  entry.where = begin;
  long_lines_[begin] = size;
  return true;
}

std::string_view RequestLog::text_of(const RequestState& entry) const {
  if (entry.size <= sizeof entry.text) return {entry.text, entry.size};
  const std::uint64_t where = std::min<std::uint64_t>(entry.where, kLongLineBytes);
  return {layout_.long_lines + where, std::min<std::size_t>(entry.size, kLongLineBytes - where)};
}

std::atomic<std::uint8_t>& RequestLog::begun(Ticket ticket) { return entry(ticket).begun; }

std::size_t RequestLog::running() const {
  return static_cast<std::size_t>(
      std::count_if(std::begin(layout_.requests), std::end(layout_.requests),
                    [](const RequestState& each) { return each.live != 0 && each.begun != 0; }));
}

void RequestLog::answering(Ticket ticket, std::uint64_t position) {
  entry(ticket).answered_at = position;
}

void RequestLog::remove(Ticket ticket) {
  RequestState& removed = entry(ticket);
  CHECK(removed.live != 0);
  removed.live = 0;
  if (removed.size > sizeof removed.text) {
    const auto found = long_lines_.find(removed.where);
    if (found != long_lines_.end()) {
      clear(layout_.long_lines + found->first, found->second);
      long_lines_.erase(found);
    }
  }
  free_.push_back(ticket);
}

std::vector<KeptRequest> RequestLog::recover(std::uint64_t parsed_to, std::uint64_t output_end) {
  std::vector<std::pair<std::uint64_t, KeptRequest>> kept;
  free_.clear();
  long_lines_.clear();
  for (Ticket ticket = kRequests; ticket-- > 0;) {
    RequestState& each = layout_.requests[ticket];
    const std::uint64_t answered_at = each.answered_at;
    const bool answered = answered_at != 0 && answered_at <= output_end;
    if (each.live == 0 || each.live > parsed_to || answered) {
      each.live = 0;
      free_.push_back(ticket);
      continue;
    }
    if (each.size > sizeof each.text) {
      long_lines_[each.where] = (each.size + kPage - 1) / kPage * kPage;
    }
    kept.emplace_back(each.live, KeptRequest{ticket, std::string(text_of(each)), each.begun != 0,
                                             each.truncated != 0});
  }
  std::sort(kept.begin(), kept.end(),
            [](const auto& one, const auto& other) { return one.first < other.first; });
  std::vector<KeptRequest> requests;
  for (auto& [position, request] : kept) requests.push_back(std::move(request));
  return requests;
}

}  // namespace pyember::journal
