#include "host/workers/zygote.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "host/loop/pool_work.h"
#include "host/workers/namespace_pids.h"
#include "mcp/json_members.h"

// Every end takes one way: end() lets go of the control socket, look_for_end() waits for the
// process (killing its tree when it has had its time), and gone() tells those who had workers. A
// zygote that dies by itself joins at look_for_end().

namespace pyember::host {

namespace {

using mcp::Json;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kEndGrace{2000};  // it has workers to kill and to reap
constexpr std::chrono::milliseconds kLookPeriod{20};
constexpr int kOldestMinor = 10;

void kill_tree_in_pool(EventLoop& loop, const ProcessIdentity& process) {
  run_in_pool(
      loop, [process] { kill_tree(process); }, [] {});
}

bool is_supported(std::string_view version) {
  if (!version.starts_with("3.")) return false;
  version.remove_prefix(2);
  int minor = 0;
  std::from_chars(version.data(), version.data() + version.size(), minor);
  return minor >= kOldestMinor;
}

std::optional<int> int_in(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<int>();
}

std::uint64_t id_in(const Json& object) {
  const auto found = object.find("id");
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

}  // namespace

Zygote::Zygote(EventLoop& loop, Settings settings, std::function<void()> gone)
    : loop_(loop),
      settings_(std::move(settings)),
      gone_(std::move(gone)),
      deadline_(loop,
                [this] {
                  if (stage_ == Stage::Starting) {
                    end("it did not get ready in time", std::chrono::milliseconds(0));
                  } else if (workers_.empty()) {
                    end({}, kEndGrace);
                  }
                }),
      look_(loop, [this] { look_for_end(); }) {
  Result<StartedZygote> started = start();
  if (!started) {
    why_ = started.error().message;
    stage_ = Stage::Ending;
    look_.start(std::chrono::milliseconds(0));
    return;
  }
  process_ = started.value().identity;
  control_ = std::move(started.value().control);
  listens_ = started.value().listens;
  room_ = std::move(started.value().room);
  names_from_ = process_.pid;
  log_ = std::make_unique<ZygoteLog>(loop, std::move(started.value().log), process_.pid);
  watch_control();
  watch_ = std::make_unique<ProcessWatch>(loop, process_, [this] { end({}, kEndGrace); });
  deadline_.start(limits::kZygoteStartDeadline);
  spdlog::info("zygote_started pid={} python={}", process_.pid, settings_.place.python);
}

Result<StartedZygote> Zygote::start() {
  if (settings_.place.boundary == Boundary::None) {
    return start_zygote(settings_.place.python, settings_.runtime_directory);
  }
  return settings_.boundaries->start(settings_.place, settings_.limits);
}

void Zygote::watch_control() {
  poll_ =
      std::make_unique<Poll>(loop_, control_.get(), [this](int events) { control_ready(events); });
  poll_->start(UV_READABLE);
}

Zygote::~Zygote() {
  if (stage_ == Stage::Gone || process_.pid == 0) return;
  kill_now();
  // A killed process is gone within a moment; waited for, so that it does not stay as a zombie.
  for (int i = 0; i < 1000 && !reap(); ++i) usleep(1000);
}

void Zygote::kill_now() {
  if (control_.get() >= 0) shutdown(control_.get(), SHUT_RDWR);  // one that comes later goes again
  if (room_) room_->kill();
  if (process_.pid == 0 || (room_ && room_->cleans_up())) return;
  kill_tree(process_);
}

bool Zygote::reap() {
  if (stage_ == Stage::Gone || process_.pid == 0) return true;
  return waitpid(process_.pid, nullptr, WNOHANG) != 0;
}

// --- what is asked of it -------------------------------------------------------------------------

std::uint64_t Zygote::fork_worker(const ForkOrder& order, WorkerDescriptors descriptors,
                                  Child& child) {
  const std::uint64_t id = next_id_++;
  workers_[id].child = &child;
  Packet packet{id, fork_message(id, order), {}};
  for (Descriptor& each : descriptors) packet.descriptors.push_back(std::move(each));
  waiting_.push_back(std::move(packet));
  if (stage_ == Stage::Ready) {
    deadline_.stop();
    send_waiting();
  }
  return id;
}

std::uint64_t Zygote::expect_copy(Child& child) {
  const std::uint64_t id = next_id_++;
  workers_[id].child = &child;
  deadline_.stop();
  send_message(expect_message(id));
  return id;
}

void Zygote::adopt_copy(std::uint64_t id, pid_t pid) { send_message(adopt_message(id, pid)); }

void Zygote::no_copy(std::uint64_t id, const std::string& why) {
  send_message(adopt_message(id, 0));
  fail_fork(id, why);
}

void Zygote::send_message(std::string text) {
  if (!usable()) return;
  waiting_.push_back({0, std::move(text), {}});
  if (stage_ == Stage::Ready) send_waiting();
}

void Zygote::signal(std::uint64_t id, int number) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second.pid == 0) return;
  if (signal_process(found->second.process, number) || !room_) return;
  send_message(signal_message(found->second.pid, number));
}

void Zygote::forget(std::uint64_t id) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  found->second.child = nullptr;
  // Its descendants are killed by the zygote when it has reaped it.
  if (found->second.pid != 0) return signal(id, SIGKILL);
  const auto unsent = std::find_if(waiting_.begin(), waiting_.end(),
                                   [id](const Packet& packet) { return packet.fork == id; });
  if (unsent == waiting_.end()) return;  // killed as soon as it is forked
  waiting_.erase(unsent);
  workers_.erase(found);
  look_whether_idle();
}

void Zygote::preload(const std::vector<std::string>& modules) {
  send_message(preload_message(modules, settings_.place.site_directories));
}

void Zygote::stay() {
  stays_ = true;
  if (stage_ == Stage::Ready) deadline_.stop();
}

void Zygote::finish() { end({}, kEndGrace); }

void Zygote::send_waiting() {
  while (!waiting_.empty() && usable()) {
    if (!send(waiting_.front())) break;
    waiting_.pop_front();
  }
  if (poll_ && usable()) poll_->start(waiting_.empty() ? UV_READABLE : UV_READABLE | UV_WRITABLE);
}

// False: it has to be sent later.
bool Zygote::send(const Packet& packet) {
  iovec piece{const_cast<char*>(packet.text.data()), packet.text.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * std::tuple_size_v<WorkerDescriptors>)>
      control{};
  if (!packet.descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * packet.descriptors.size());
    std::array<int, std::tuple_size_v<WorkerDescriptors>> numbers{};
    for (std::size_t i = 0; i < packet.descriptors.size(); ++i) {
      numbers[i] = packet.descriptors[i].get();
    }
    std::memcpy(CMSG_DATA(head), numbers.data(), sizeof(int) * packet.descriptors.size());
  }
  ssize_t n = 0;
  int error = EMSGSIZE;
  if (packet.text.size() <= limits::kControlPacketBytes) {
    do n = sendmsg(control_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return true;
    error = errno;
  }
  if (error == EAGAIN) return false;
  // A zygote that is gone is told of by its watch; until then its packets lead nowhere.
  if (error != EPIPE && error != ECONNRESET && packet.fork != 0) {
    fail_fork(packet.fork, fmt::format("it could not be asked for ({})", strerror(error)));
  }
  return true;
}

// --- what it says --------------------------------------------------------------------------------

// The only one who can reach the socket has come; nobody else is let in.
void Zygote::connected() {
  Descriptor connection(accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (connection.get() < 0) return;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
    names_from_ = peer.pid;
  }
  if (room_) room_->connected();
  poll_->stop();
  shutdown(control_.get(), SHUT_RDWR);
  // Not closed from within its own callback.
  listener_poll_ = std::move(poll_);
  listener_ = std::move(control_);
  control_ = std::move(connection);
  listens_ = false;
  watch_control();
}

// A packet, as recv() would; a descriptor that comes with it is the folder of its sessions.
ssize_t Zygote::receive(char* packet, std::size_t size) {
  iovec piece{packet, size};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = recvmsg(control_.get(), &message, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
  const cmsghdr* head = n >= 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (head == nullptr || head->cmsg_type != SCM_RIGHTS) return n;
  int number = -1;
  std::memcpy(&number, CMSG_DATA(head), sizeof number);
  Descriptor sent(number);
  struct stat status {};
  const bool wanted = settings_.place.boundary != Boundary::None && folder_.get() < 0 &&
                      fstat(sent.get(), &status) == 0 && S_ISDIR(status.st_mode);
  if (wanted) folder_ = std::move(sent);
  return n;
}

void Zygote::control_ready(int events) {
  if (listens_) return connected();
  if ((events & UV_WRITABLE) != 0 && stage_ == Stage::Ready) send_waiting();
  if ((events & UV_READABLE) == 0) return;
  static thread_local std::array<char, limits::kControlPacketBytes> packet;
  while (usable()) {
    const ssize_t n = receive(packet.data(), packet.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      end({}, kEndGrace);
    } else if (static_cast<std::size_t>(n) > packet.size()) {
      end("it sent a message beyond its bound", kEndGrace);
    } else {
      handle_packet({packet.data(), static_cast<std::size_t>(n)});
    }
  }
}

void Zygote::handle_packet(std::string_view text) {
  const Result<Json> message = mcp::parse_json(text);
  if (message && message.value().is_object()) {
    handle_message(message.value());
  } else {
    end("it sent a message that is no JSON object", kEndGrace);
  }
}

void Zygote::handle_message(const Json& message) {
  const std::string operation = mcp::text_in(message, "op");
  if (operation == "hello" && stage_ == Stage::Starting) {
    handle_hello(message);
  } else if (operation == "forked") {
    handle_forked(message);
  } else if (operation == "fork_failed") {
    handle_not_forked(message);
  } else if (operation == "exited") {
    handle_exited(message);
  } else if (operation == "preloaded") {
    spdlog::info("zygote_preloaded pid={} answer={}", process_.pid, mcp::to_json_text(message));
  } else {
    end("it sent a message that is unknown", kEndGrace);
  }
}

void Zygote::handle_hello(const Json& message) {
  version_ = mcp::text_in(message, "version");
  if (!is_supported(version_)) {
    end(fmt::format("it is Python {}, and workers need 3.{} or newer", version_, kOldestMinor),
        kEndGrace);
    return;
  }
  stage_ = Stage::Ready;
  deadline_.stop();
  if (!settings_.preloaded.empty()) preload(settings_.preloaded);
  send_waiting();
  look_whether_idle();
}

void Zygote::handle_forked(const Json& message) {
  const auto found = workers_.find(id_in(message));
  const std::optional<int> pid = int_in(message, "pid");
  if (found == workers_.end() || !pid || *pid <= 1 || found->second.pid != 0) {
    end("it told of a worker that nobody asked for", kEndGrace);
    return;
  }
  Worker& worker = found->second;
  worker.pid = *pid;
  worker.process = process_called(*pid);
  if (worker.child != nullptr) {
    worker.child->forked(worker.process);
  } else {
    signal(found->first, SIGKILL);
  }
}

// Behind a boundary a worker that has died already, or a lie, is nobody.
ProcessIdentity Zygote::process_called(pid_t pid) const {
  if (!room_) return identity_of(pid);
  return room_->has_own_pids() ? find_in_namespace(names_from_, pid)
                               : find_among_descendants(names_from_, pid);
}

void Zygote::handle_not_forked(const Json& message) {
  fail_fork(id_in(message), mcp::text_in(message, "error"));
}

void Zygote::fail_fork(std::uint64_t id, const std::string& why) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Child* child = found->second.child;
  workers_.erase(found);
  if (child != nullptr) child->not_forked(why);
  look_whether_idle();
}

void Zygote::handle_exited(const Json& message) {
  const std::optional<int> pid = int_in(message, "pid");
  const auto found = std::find_if(workers_.begin(), workers_.end(), [&pid](const auto& entry) {
    return pid && entry.second.pid == *pid;
  });
  if (found == workers_.end()) return;
  Child* child = found->second.child;
  workers_.erase(found);
  if (child != nullptr) child->exited({int_in(message, "code"), int_in(message, "signal")});
  look_whether_idle();
}

void Zygote::look_whether_idle() {
  if (stage_ == Stage::Ready && workers_.empty() && !stays_) {
    deadline_.start(limits::kZygoteIdleTimeout);
  }
}

// --- its end -------------------------------------------------------------------------------------

void Zygote::end(std::string why, std::chrono::milliseconds grace) {
  if (!usable()) return;
  stage_ = Stage::Ending;
  why_ = std::move(why);
  deadline_.stop();
  if (poll_) poll_->stop();
  // Not closed before the poll: see WorkerWire::close().
  shutdown(control_.get(), SHUT_RDWR);
  waiting_.clear();
  kill_at_ = steady_clock::now() + grace;
  look_.start(std::chrono::milliseconds(0), kLookPeriod);
}

void Zygote::look_for_end() {
  std::optional<int> status;
  if (process_.pid != 0) {
    int told = 0;
    const pid_t reaped = waitpid(process_.pid, &told, WNOHANG);
    if (reaped == process_.pid) {
      status = told;
    } else if (reaped == 0) {
      if (steady_clock::now() >= kill_at_) {
        kill_at_ = steady_clock::now() + kEndGrace;
        if (room_) room_->kill();
        if (!room_ || !room_->cleans_up()) kill_tree_in_pool(loop_, process_);
      }
      return;
    }
  }
  look_.stop();
  watch_.reset();
  if (log_) log_->read_now();
  // With its keeper gone, what it left has nobody else; a room may outlive it for its files.
  if (room_ && !room_->has_own_pids()) room_->kill();
  gone(why_ended(status));
}

std::string Zygote::why_ended(const std::optional<int>& status) const {
  if (process_.pid == 0) return why_;  // it was not even started, and that message is whole
  std::string how = why_;
  if (how.empty() && status && WIFSIGNALED(*status)) {
    how = fmt::format("it was ended by signal {} ({})", WTERMSIG(*status),
                      strsignal(WTERMSIG(*status)));
  } else if (how.empty() && status) {
    how = fmt::format("it ended with exit code {}", WEXITSTATUS(*status));
  } else if (how.empty()) {
    how = "it ended";
  }
  // Where we ended it, its last words are about that.
  const std::string words = log_ && why_.empty() ? log_->last_words() : std::string();
  if (!words.empty()) how += fmt::format("; the last it said: {}", words);
  if (version_.empty() && room_ && why_.empty()) {
    std::string why = room_->why_not_started(words);
    if (!why.empty()) return why;
  }
  if (version_.empty() || !is_supported(version_)) {
    return fmt::format(
        "No worker could be started with {}: {}. See whether this Python runs and is 3.{} or "
        "newer, or make the environment again.",
        settings_.place.python, how, kOldestMinor);
  }
  return fmt::format(
      "The session's process was ended, because the one that workers of {} are forked from is gone "
      "({}), so the session's state is gone too. The next call with this session's name starts a "
      "fresh one; when that goes on, see the server's log for what ends it.",
      settings_.place.python, how);
}

void Zygote::gone(const std::string& why) {
  stage_ = Stage::Gone;
  if (why_.empty() && workers_.empty() && !version_.empty()) {
    spdlog::info("zygote_ended pid={}", process_.pid);
  } else {
    spdlog::warn("zygote_lost pid={} reason=\"{}\"", process_.pid, why);
  }
  auto workers = std::move(workers_);
  workers_.clear();
  for (auto& [id, worker] : workers) {
    if (worker.process.pid != 0) kill_tree_in_pool(loop_, worker.process);
    if (worker.child != nullptr) worker.child->zygote_lost(why);
  }
  gone_();
}

}  // namespace pyember::host
