#include "base/check.h"
#include "mcp/json.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

// Our JSON reader and writer against nlohmann's: they accept the same texts (apart from our bounds)
// and agree on what these mean, and what we write reads back as the same value.
using namespace pyember;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<mcp::Json> ours = mcp::parse_json(text);
  if (!ours.ok() && ours.error().code == ErrorCode::LimitReached) return 0;
  // nlohmann's reader takes a zero byte for the end of the text; RFC 8259 does not.
  if (!ours.ok() && text.find('\0') != std::string_view::npos) return 0;
  const mcp::Json theirs = mcp::Json::parse(text, nullptr, false);
  CHECK(ours.ok() == !theirs.is_discarded());
  if (!ours.ok()) return 0;
  CHECK(ours.value() == theirs);
  CHECK(mcp::parse_json(mcp::to_json_text(ours.value())).value() == ours.value());
  return 0;
}
