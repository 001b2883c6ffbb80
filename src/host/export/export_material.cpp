#include "host/export/export_material.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/base64.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n";
constexpr std::uint32_t kScaledSide = 1024;  // mcp_runtime/images.py

bool is_picture(const std::string& mime) {
  return mime.starts_with("image/") && mime != "image/svg+xml";
}

// Whether a picture is the smaller copy of one that follows it.
bool is_scaled(const StoredDisplay& display) {
  const std::string& data = display.data;
  if (display.mime != "image/png" || data.size() < 24 || !data.starts_with(kPng)) return false;
  const auto side = [&data](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
      value = value << 8 | static_cast<unsigned char>(data[i]);
    }
    return value;
  };
  return std::max(side(16), side(20)) == kScaledSide;
}

// A stream of a cell, up to its bounds; null: it is not held any more.
class Streams {
 public:
  Json described(const OutputStore& outputs, const PastCell& cell, Stream stream) {
    if (cell.carried) return nullptr;
    const CellOutput* output = outputs.find(cell.number);
    if (output == nullptr) {
      if (cell.number <= outputs.dropped_up_to()) return nullptr;
      return {{"text", ""}, {"left_out", 0}, {"late", false}};
    }
    const OutputBuffer& buffer = output->of(stream);
    const std::size_t room = std::min(limits::kExportedStreamBytes, left_);
    std::string text = buffer.read(0, room);
    if (text.size() < buffer.size()) {  // at the end of a character
      text = utf8::head(text, std::max<std::size_t>(utf8::count_characters(text), 1) - 1);
    }
    left_ -= text.size();
    const std::uint64_t left_out = buffer.size() - text.size();
    return {{"text", std::move(text)}, {"left_out", left_out}, {"late", output->begins_late}};
  }

 private:
  std::size_t left_ = limits::kExportedOutputBytes;
};

class Displays {
 public:
  explicit Displays(std::vector<ExportMaterial::Display>* kept) : kept_(kept) {}

  Json described(const DisplayStore& store, const PastCell& cell) {
    Json all = Json::array();
    const DisplayStore::OfCell* shown = cell.carried ? nullptr : store.find(cell.number);
    if (shown == nullptr) return all;
    for (std::size_t i = 0; i < shown->size(); ++i) {
      const bool full_follows = i + 1 < shown->size() && (*shown)[i + 1].only_linked;
      if (full_follows && is_scaled((*shown)[i])) continue;
      all.push_back(described((*shown)[i]));
    }
    return all;
  }

 private:
  Json described(const StoredDisplay& display) {
    Json fields = {{"mime", display.mime}, {"bytes", display.data.size()}};
    if (kept_ == nullptr) return fields;
    // Not to be guessed by what stands in the session.
    if (secret_.empty()) {
      std::random_device random;
      secret_ = fmt::format("{:08x}{:08x}{:08x}", random(), random(), random());
    }
    std::string token = fmt::format("pyember-display-{}-{}.", secret_, kept_->size());
    fields["token"] = token;
    kept_->push_back({std::move(token), display.mime, display.data});
    return fields;
  }

  std::vector<ExportMaterial::Display>* kept_;
  std::string secret_;
};

Json described(const PastCell& cell) {
  Json fields = {
      {"cell", cell.number}, {"code", cell.code}, {"status", embed::to_string(cell.status)}};
  fields["result"] = cell.result ? Json(*cell.result) : Json(nullptr);
  fields["error"] = nullptr;
  if (cell.error) {
    fields["error"] = {{"type", cell.error->type},
                       {"message", cell.error->message},
                       {"traceback", cell.error->traceback}};
  }
  return fields;
}

}  // namespace

std::size_t ExportMaterial::display_bytes() const {
  std::size_t sum = 0;
  for (const Display& each : displays) sum += each.data.size();
  return sum;
}

ExportMaterial export_material(const HostSession& session, bool with_displays) {
  ExportMaterial material;
  material.dropped = session.history().dropped();
  material.asked_for = session.plan().dependencies;
  if (const SessionFolder* folder = session.products().folder()) material.folder = folder->path();
  Streams streams;
  Displays displays(with_displays ? &material.displays : nullptr);
  for (const PastCell& cell : session.history().cells()) {
    Json fields = described(cell);
    fields["stdout"] = streams.described(session.outputs(), cell, Stream::Stdout);
    fields["stderr"] = streams.described(session.outputs(), cell, Stream::Stderr);
    fields["displays"] = displays.described(session.products().displays(), cell);
    material.cells.push_back(std::move(fields));
  }
  return material;
}

std::string put_displays_in(std::string text,
                            const std::vector<ExportMaterial::Display>& displays) {
  if (displays.empty()) return text;
  std::string whole;
  std::size_t from = 0;
  for (const ExportMaterial::Display& display : displays) {
    const std::size_t at = text.find(display.token, from);
    if (at == std::string::npos) continue;
    whole.append(text, from, at - from);
    if (is_picture(display.mime)) {
      whole += base64_encoded(display.data);
    } else {
      std::string quoted;
      mcp::append_json_string(quoted, display.data);
      whole.append(quoted, 1, quoted.size() - 2);
    }
    from = at + display.token.size();
  }
  whole.append(text, from);
  return whole;
}

}  // namespace pyember::host
