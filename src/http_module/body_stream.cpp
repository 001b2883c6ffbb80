#include "http_module/body_stream.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace pyember::http_module {

namespace {

// How much libmicrohttpd asks for at once where it sends without chunks (HTTP/1.0).
constexpr std::size_t kBlockBytes = 1u << 10;
// What an idle stream may keep for its next pieces.
constexpr std::size_t kKeptBytes = 1u << 10;

}  // namespace

ResponsePtr BodyStream::response_of(const std::shared_ptr<BodyStream>& stream) {
  using Holder = std::shared_ptr<BodyStream>;
  auto holder = std::make_unique<Holder>(stream);
  ResponsePtr made(MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kBlockBytes,
      [](void* held, std::uint64_t, char* into, std::size_t size) -> ssize_t {
        return (*static_cast<Holder*>(held))->read(into, size);
      },
      holder.get(), [](void* held) { delete static_cast<Holder*>(held); }));
  if (made) static_cast<void>(holder.release());
  return made;
}

void BodyStream::write(std::string&& piece) {
  if (piece.empty() || state_ != State::Open) return;
  if (waiting_.empty()) {
    waiting_ = std::move(piece);
  } else {
    waiting_ += piece;
  }
  resume();
}

void BodyStream::end(State how) {
  if (state_ != State::Open) return;
  state_ = how;
  resume();
}

void BodyStream::resume() {
  if (!suspended_ || connection_ == nullptr) return;
  suspended_ = false;
  MHD_resume_connection(connection_);
}

// Called inside MHD_run, when the connection can take bytes.
ssize_t BodyStream::read(char* into, std::size_t size) {
  if (state_ == State::Broken || connection_ == nullptr) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (const std::size_t n = std::min(size, pending_bytes()); n > 0) {
    std::memcpy(into, waiting_.data() + offset_, n);
    offset_ += n;
    if (offset_ == waiting_.size()) {
      offset_ = 0;
      waiting_.clear();
      if (waiting_.capacity() > kKeptBytes) waiting_.shrink_to_fit();
    }
    return static_cast<ssize_t>(n);
  }
  if (state_ == State::Ended) return MHD_CONTENT_READER_END_OF_STREAM;
  suspended_ = true;
  MHD_suspend_connection(connection_);
  return 0;
}

}  // namespace pyember::http_module
