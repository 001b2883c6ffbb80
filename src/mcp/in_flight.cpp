#include "mcp/in_flight.h"

#include "base/check.h"

#include <utility>

namespace pyember::mcp {

void InFlight::add(std::shared_ptr<PendingRequest> request) {
  const std::string& id = request->from.id.text();
  ++totals_.requests;
  totals_.bytes += request->from.bytes;
  const bool added = requests_.try_emplace(id, std::move(request)).second;
  CHECK(added);  // the server refuses an id that is in flight
}

std::shared_ptr<PendingRequest> InFlight::find(const RequestId& id) const {
  const auto found = requests_.find(id.text());
  return found == requests_.end() ? nullptr : found->second;
}

std::shared_ptr<PendingRequest> InFlight::take(const RequestId& id) {
  const auto found = requests_.find(id.text());
  if (found == requests_.end()) return nullptr;
  auto request = std::move(found->second);
  requests_.erase(found);
  --totals_.requests;
  totals_.bytes -= request->from.bytes;
  return request;
}

std::vector<std::shared_ptr<PendingRequest>> InFlight::take_all() {
  std::vector<std::shared_ptr<PendingRequest>> all;
  for (auto& [id, request] : std::exchange(requests_, {})) {
    --totals_.requests;
    totals_.bytes -= request->from.bytes;
    all.push_back(std::move(request));
  }
  return all;
}

}  // namespace pyember::mcp
