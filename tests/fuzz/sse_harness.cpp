#include "fuzz/sse_harness.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/check.h"
#include "host/upstream/sse_parser.h"

namespace pyember::test {

namespace {

using host::SseEvent;
using host::SseParser;

constexpr std::size_t kBound = 512;  // small, so that inputs reach it

std::vector<SseEvent> fed(SseParser& parser, std::string_view bytes, std::size_t piece) {
  std::vector<SseEvent> events;
  while (!bytes.empty()) {
    const std::string_view next = bytes.substr(0, piece);
    bytes.remove_prefix(next.size());
    for (SseEvent& each : parser.feed(next)) events.push_back(std::move(each));
  }
  return events;
}

bool same(const std::vector<SseEvent>& one, const std::vector<SseEvent>& other) {
  return std::equal(
      one.begin(), one.end(), other.begin(), other.end(),
      [](const SseEvent& a, const SseEvent& b) { return a.type == b.type && a.data == b.data; });
}

}  // namespace

void drive_sse(std::string_view input) {
  if (input.empty()) return;
  const std::size_t piece = 1 + static_cast<unsigned char>(input.front()) % 64;
  input.remove_prefix(1);
  SseParser whole(kBound);
  SseParser pieces(kBound);
  for (int stream = 0; stream < 2; ++stream) {
    const std::vector<SseEvent> events = fed(whole, input, std::max<std::size_t>(input.size(), 1));
    CHECK(same(events, fed(pieces, input, piece)));
    for (const SseEvent& each : events) CHECK(!each.data.empty() && each.data.size() <= kBound);
    CHECK(whole.too_large() == pieces.too_large());
    CHECK(whole.last_event_id() == pieces.last_event_id());
    CHECK(whole.retry() == pieces.retry());
    whole.begin_anew();
    pieces.begin_anew();
  }
}

}  // namespace pyember::test
