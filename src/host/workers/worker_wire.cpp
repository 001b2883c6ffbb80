#include "host/workers/worker_wire.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr std::size_t kChunk = 64u << 10;
constexpr std::size_t kPiecesAtOnce = 8;
constexpr std::size_t kMostDescriptors = 8;

}  // namespace

WorkerWire::WorkerWire(EventLoop& loop, Descriptor socket, Owner& owner)
    : socket_(std::move(socket)),
      owner_(owner),
      poll_(loop, socket_.get(), [this](int events) { ready(events); }) {
  poll_.start(UV_READABLE);
}

void WorkerWire::close() {
  if (!socket_.valid()) return;
  ended_ = true;
  poll_.stop();
  waiting_.clear();
  // Not closed yet: when the poll goes, libuv takes its number out of the epoll set once more,
  // which by then must not be the number of another file.
  shutdown(socket_.get(), SHUT_RDWR);
}

void WorkerWire::send(std::string_view header, std::string body) {
  if (ended_) return;
  std::string head;
  head.reserve(header.size() + 16);
  append_frame_head(head, header, body.size());
  waiting_.push_back(std::move(head));
  if (!body.empty()) waiting_.push_back(std::move(body));
  if (!watching_writes_) write_waiting();
}

bool WorkerWire::send_descriptors(std::span<const Descriptor> descriptors) {
  if (ended_ || !waiting_.empty() || descriptors.size() > kMostDescriptors) return false;
  char byte = 0;
  iovec piece{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostDescriptors)> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
  std::array<int, kMostDescriptors> numbers{};
  std::transform(descriptors.begin(), descriptors.end(), numbers.begin(),
                 [](const Descriptor& each) { return each.get(); });
  std::memcpy(CMSG_DATA(head), numbers.data(), sizeof(int) * descriptors.size());
  ssize_t n;
  do n = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n == 1;
}

void WorkerWire::write_waiting() {
  while (!waiting_.empty()) {
    std::array<iovec, kPiecesAtOnce> pieces{};
    const std::size_t count = std::min(waiting_.size(), pieces.size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t skipped = i == 0 ? sent_ : 0;
      pieces[i] = {waiting_[i].data() + skipped, waiting_[i].size() - skipped};
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t n = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      // A broken pipe is told by the reading side, in a turn of its own.
      if (errno != EAGAIN) waiting_.clear();
      break;
    }
    sent_ += static_cast<std::size_t>(n);
    while (!waiting_.empty() && sent_ >= waiting_.front().size()) {
      sent_ -= waiting_.front().size();
      waiting_.pop_front();
    }
  }
  if (waiting_.empty()) sent_ = 0;
  watch();
}

void WorkerWire::watch() {
  const bool wanted = !waiting_.empty();
  if (wanted == watching_writes_ || ended_) return;
  watching_writes_ = wanted;
  poll_.start(wanted ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

void WorkerWire::ready(int events) {
  if ((events & UV_WRITABLE) != 0 && !ended_) write_waiting();
  if ((events & UV_READABLE) != 0) readable();
}

void WorkerWire::readable() {
  // Shared by all wires: what was read is handed over before anybody else reads.
  static thread_local std::array<char, kChunk> chunk;
  for (std::size_t i = 0; i < limits::kWorkerReadsPerTurn && !ended_; ++i) {
    // recv, so that descriptors which a worker may send along are closed by the kernel.
    const ssize_t n = recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      end({});
      return;
    }
    reader_.add({chunk.data(), static_cast<std::size_t>(n)});
    if (!give_frames()) return;
    if (static_cast<std::size_t>(n) < chunk.size()) return;
  }
}

bool WorkerWire::give_frames() {
  Frame frame;
  while (!ended_) {
    const Result<bool> whole = reader_.next(frame);
    if (!whole) {
      end(whole.error().message);
      return false;
    }
    if (!whole.value()) return true;
    owner_.wire_frame(frame);
  }
  return false;
}

void WorkerWire::end(const std::string& broken) {
  if (ended_) return;
  ended_ = true;
  poll_.stop();
  waiting_.clear();
  owner_.wire_ended(broken);
}

}  // namespace pyember::host
