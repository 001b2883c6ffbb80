#pragma once

#include "mcp/responder.h"

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace pyember::mcp {

// A request that is not answered yet.
class PendingRequest : public std::enable_shared_from_this<PendingRequest> {
 public:
  explicit PendingRequest(Recipient recipient) : from(std::move(recipient)) {}
  virtual ~PendingRequest() = default;
  PendingRequest(const PendingRequest&) = delete;
  PendingRequest& operator=(const PendingRequest&) = delete;

  // Already out of the table; nothing may be sent for it any more.
  virtual void cancel() {}

  const Recipient from;
};

// How many are in flight on all connections of a server, and how many bytes they took on the wire:
// about what they make their handlers hold.
struct InFlightTotals {
  std::size_t requests = 0;
  std::size_t bytes = 0;
};

// A connection's requests in flight, by id: an id belongs to one of them until it is answered or
// cancelled. Shared with completions, which hold them weakly: one that comes too late finds
// nothing.
class InFlight {
 public:
  explicit InFlight(InFlightTotals& totals) : totals_(totals) {}
  ~InFlight() { take_all(); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  std::size_t size() const { return requests_.size(); }
  bool contains(const RequestId& id) const { return requests_.contains(id.text()); }
  std::shared_ptr<PendingRequest> find(const RequestId& id) const;  // null: there is none
  void add(std::shared_ptr<PendingRequest> request);

  // Removes it and hands it over; null if there is none.
  std::shared_ptr<PendingRequest> take(const RequestId& id);
  std::vector<std::shared_ptr<PendingRequest>> take_all();

 private:
  std::unordered_map<std::string, std::shared_ptr<PendingRequest>> requests_;
  InFlightTotals& totals_;
};

}  // namespace pyember::mcp
