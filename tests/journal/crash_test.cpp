#include "support/catch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "journal/input_log.h"
#include "journal/journal_memory.h"
#include "journal/layout.h"
#include "journal/output_log.h"
#include "journal/request_log.h"

using namespace pyember::journal;

namespace {

// A server that answers every line with itself, a few at a time, and a line the server before it
// left with "lost".
class EchoServer {
 public:
  EchoServer(JournalMemory& memory, int from_client, int to_client)
      : from_client_(from_client),
        to_client_(to_client),
        input_(memory.layout()),
        requests_(memory.layout()),
        output_(memory) {}

  [[noreturn]] void serve() {
    input_.recover();
    output_.recover();
    for (const KeptRequest& kept : requests_.recover(input_.parsed_to(), output_.end())) {
      answer(kept.ticket, "lost " + kept.line.substr(0, kept.line.find(' ')));
    }
    parse();
    for (;;) {
      send();
      pollfd waiting{from_client_, POLLIN, 0};
      if (poll(&waiting, 1, 1) == 0) answer_but(0);
      send();
      const std::span<char> room = input_.room();
      const ssize_t n = room.empty() ? 0 : read(from_client_, room.data(), room.size());
      if (n == 0) _exit(0);
      if (n < 0) continue;  // nothing yet
      input_.add(static_cast<std::size_t>(n));
      parse();
    }
  }

 private:
  static constexpr std::size_t kHeld = 8;

  void parse() {
    for (std::string_view rest = input_.unparsed();;) {
      const std::size_t newline = rest.find('\n');
      if (newline == std::string_view::npos) return;
      const std::string_view line = rest.substr(0, newline);
      const std::uint64_t position = input_.parsed_to() + newline + 1;
      const Ticket ticket = requests_.add(line, position);
      input_.parsed(position);
      if (ticket == kNoTicket) _exit(3);
      held_.emplace_back(ticket, line);
      answer_but(kHeld);
      rest.remove_prefix(newline + 1);
    }
  }

  void answer_but(std::size_t count) {
    for (; held_.size() > count; held_.pop_front())
      answer(held_.front().first, held_.front().second);
  }

  void answer(Ticket ticket, std::string_view text) {
    while (output_.room() < text.size() + 1) send();
    requests_.answering(ticket, output_.end() + text.size() + 1);
    output_.append(text, "\n");
    requests_.remove(ticket);
  }

  void send() {
    while (output_.send(to_client_) == OutputLog::Sent::Blocked) {
      pollfd waiting{to_client_, POLLOUT, 0};
      poll(&waiting, 1, 1000);
    }
  }

  const int from_client_;
  const int to_client_;
  InputLog input_;
  RequestLog requests_;
  OutputLog output_;
  std::deque<std::pair<Ticket, std::string>> held_;
};

// The client's side: sends numbered lines of many sizes, and counts what comes back.
class Client {
 public:
  Client() {
    REQUIRE(pipe2(requests_, O_NONBLOCK) == 0);
    REQUIRE(pipe2(answers_, O_NONBLOCK) == 0);
  }
  ~Client() {
    for (const int fd : {requests_[0], requests_[1], answers_[0], answers_[1]}) close(fd);
  }

  int server_input() const { return requests_[0]; }
  int server_output() const { return answers_[1]; }

  // Talks until the time is over, or until every request is answered when none is to be sent.
  void talk(std::chrono::microseconds duration, bool send_more) {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) {
      if (!send_more && unsent_.empty() && answered_ >= next_) return;
      if (unsent_.empty() && send_more) unsent_ = next_request();
      if (!unsent_.empty()) {
        const ssize_t n = write(requests_[1], unsent_.data(), unsent_.size());
        if (n > 0) unsent_.erase(0, static_cast<std::size_t>(n));
      }
      receive();
    }
  }

  int sent() const { return next_; }
  int answered() const { return answered_; }
  int lost() const { return lost_; }
  // Numbers that were not answered exactly once, and lines that are not whole.
  int wrong() const {
    int count = broken_ + !partial_.empty();
    for (int number = 0; number < next_; ++number) {
      const auto found = answers_of_.find(number);
      count += found == answers_of_.end() || found->second != 1;
    }
    return count;
  }

 private:
  std::string next_request() {
    constexpr std::size_t kSizes[] = {0, 10, 300, 600, 5000, 70'000, 400'000};
    const std::size_t size = kSizes[random_() % (random_() % 8 == 0 ? 7 : 4)];
    return std::to_string(next_++) + ' ' + std::string(size, 'x') + "!\n";
  }

  void receive() {
    char chunk[1 << 16];
    const ssize_t n = read(answers_[0], chunk, sizeof chunk);
    if (n <= 0) return;
    partial_.append(chunk, static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (;;) {
      const std::size_t newline = partial_.find('\n', begin);
      if (newline == std::string::npos) break;
      count(std::string_view(partial_).substr(begin, newline - begin));
      begin = newline + 1;
    }
    partial_.erase(0, begin);
  }

  void count(std::string_view line) {
    const bool lost = line.starts_with("lost ");
    if (lost) line.remove_prefix(5);
    broken_ += !lost && !line.ends_with("x!") && !line.ends_with(" !");
    lost_ += lost;
    ++answers_of_[std::atoi(line.data())];
    ++answered_;
  }

  int requests_[2];
  int answers_[2];
  std::mt19937 random_{1};
  std::string unsent_;
  std::string partial_;
  std::map<int, int> answers_of_;
  int next_ = 0;
  int answered_ = 0;
  int lost_ = 0;
  int broken_ = 0;
};

pid_t start(JournalMemory& memory, const Client& client) {
  const pid_t child = fork();
  if (child == 0) EchoServer(memory, client.server_input(), client.server_output()).serve();
  return child;
}

// How long a server takes to its first answer: a sanitizer's needs milliseconds to fork alone.
std::chrono::microseconds time_to_answer(JournalMemory& memory, Client& client) {
  const auto begin = std::chrono::steady_clock::now();
  const pid_t server = start(memory, client);
  while (client.answered() == 0) {
    REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
    client.talk(std::chrono::microseconds(50), true);
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  return std::chrono::duration_cast<std::chrono::microseconds>(took);
}

}  // namespace

TEST_CASE("A server that is killed anywhere leaves every request answered exactly once") {
  auto made = JournalMemory::make(JournalMemory::Kind::Shared);
  REQUIRE(made);
  JournalMemory memory = made.take();
  Client client;
  std::mt19937 random{7};
  constexpr int kKills = 500;
  const auto longest = std::chrono::microseconds(4000) + 2 * time_to_answer(memory, client);
  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    const pid_t server = start(memory, client);
    client.talk(std::chrono::microseconds(200 + random() % longest.count()), true);
    kill(server, SIGKILL);
    int status = 0;
    waitpid(server, &status, 0);
    REQUIRE(WIFSIGNALED(status));
  }
  const pid_t server = start(memory, client);
  client.talk(std::chrono::seconds(30), false);
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  CHECK(client.wrong() == 0);
  CHECK(client.sent() > kKills);
  // Kills fell between a line's reading and its answer, too: else this tested nothing of it.
  CHECK(client.lost() > 0);
}
