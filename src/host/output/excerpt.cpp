#include "host/output/excerpt.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace pyember::host {

namespace {

std::string show(const OutputBuffer& buffer, std::size_t budget, const std::string& uri,
                 bool& cut) {
  if (buffer.characters() <= budget && buffer.lost() == 0) {
    return buffer.read(0, static_cast<std::size_t>(buffer.size()));
  }
  cut = true;
  const std::string head = buffer.head(budget / 2);
  const std::string tail = buffer.tail(budget - budget / 2);
  const std::uint64_t shown = utf8::count_characters(head) + utf8::count_characters(tail);
  const std::uint64_t left = buffer.characters() > shown ? buffer.characters() - shown : 0;
  std::string lost;
  if (buffer.lost() > 0) {
    lost = fmt::format(", of which {} bytes passed the limit on held output and are gone",
                       buffer.lost());
  }
  return fmt::format("{}\n[... {} characters left out{}; read them at {} ...]\n{}", head, left,
                     lost, uri, tail);
}

}  // namespace

std::string output_uri(const std::string& session, embed::CellNumber number, Stream stream) {
  // Session names need no escaping: registry.h allows unreserved characters only.
  return fmt::format("session-output://{}/{}/{}", session, number, to_string(stream));
}

Excerpt make_excerpt(const CellOutput* output, const std::string& session, embed::CellNumber number,
                     std::size_t budget) {
  Excerpt excerpt;
  if (output == nullptr) return excerpt;
  const OutputBuffer& out = output->of(Stream::Stdout);
  const OutputBuffer& err = output->of(Stream::Stderr);
  const std::size_t half = budget / 2;
  const auto need = [&](const OutputBuffer& buffer) {
    return static_cast<std::size_t>(std::min<std::uint64_t>(buffer.characters(), budget));
  };
  const std::size_t for_out = std::max(half, budget - std::min(need(err), half));
  const std::size_t for_err = budget - std::min(need(out), for_out);
  if (out.size() > 0) {
    excerpt.stdout_text =
        show(out, for_out, output_uri(session, number, Stream::Stdout), excerpt.stdout_cut);
  }
  if (err.size() > 0) {
    excerpt.stderr_text =
        show(err, for_err, output_uri(session, number, Stream::Stderr), excerpt.stderr_cut);
  }
  return excerpt;
}

}  // namespace pyember::host
