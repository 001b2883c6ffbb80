#include "host/environments/environments.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/environments/environment_set_up.h"
#include "host/environments/environment_store.h"
#include "host/loop/pool_work.h"
#include "host/loop/uv_handle.h"

// A request is answered at once from what is ready (one stamp is read, nothing is started), or it
// joins the set-up of its key. Set-ups run a few at a time, the others wait in a line. Every answer
// is given in a later turn of the loop.

namespace pyember::host {

namespace {

EnvironmentFailure of_error(Error error) {
  EnvironmentFailure failure;
  failure.stderr_text = error.message + "\n";
  failure.missing = std::move(error);
  return failure;
}

}  // namespace

class Environments::Impl {
 public:
  Impl(EventLoop& loop, Settings settings)
      : loop_(loop),
        maximum_bytes_(settings.maximum_bytes),
        store_(std::move(settings.directory)),
        later_timer_(loop, [this] { later(); }) {}

  std::uint64_t prepare(EnvironmentKey key, const std::string& name, Ready ready) {
    CHECK(loop_.on_loop_thread());
    const std::uint64_t request = next_request_++;
    Result<EnvironmentKey> usable = normalised(std::move(key));
    if (!usable) return refuse(request, std::move(ready), usable.error());
    EnvironmentSetUp::Order order{id_of(usable.value()), name, usable.take()};
    if (!name.empty()) {
      Result<std::string> id = id_of_name(name);
      if (!id) return refuse(request, std::move(ready), id.error());
      order.id = id.take();
    }
    if (auto found = find(order)) {
      answers_.push_back({request, std::move(ready), std::move(found), {}});
      later_timer_.start(std::chrono::milliseconds(0));
      return request;
    }
    if (!name.empty() && is_taken(order)) {
      return refuse(request, std::move(ready),
                    {ErrorCode::InvalidArgument,
                     fmt::format("ValueError: there is an environment '{}' already, with other "
                                 "packages or another Python. Choose another name, or remove that "
                                 "one first.",
                                 name)});
    }
    return join(request, std::move(order), std::move(ready));
  }

  void cancel(std::uint64_t request) {
    std::erase_if(answers_, [request](const Answer& each) { return each.request == request; });
    for (auto each = set_ups_.begin(); each != set_ups_.end(); ++each) {
      auto& callers = each->second.callers;
      if (std::erase_if(callers, [request](const Caller& caller) {
            return caller.request == request;
          }) == 0) {
        continue;
      }
      if (callers.empty()) {
        std::erase(line_, each->first);
        set_ups_.erase(each);
        begin_next();
      }
      return;
    }
  }

  std::vector<EnvironmentEntry> list() const { return store_.list(); }

  Result<void> remove(const std::string& id_or_name) {
    Result<std::string> aside = store_.take_away(id_or_name);
    if (!aside) return aside.error();
    run_in_pool(
        loop_, [folder = aside.take()] { EnvironmentStore::discard(folder); }, nullptr);
    return {};
  }

  std::vector<EnvironmentEntry> remove_unused(std::chrono::seconds age) {
    const double oldest_use = unix_now() - std::chrono::duration<double>(age).count();
    std::vector<EnvironmentEntry> removed;
    for (EnvironmentEntry& entry : store_.list()) {
      if (!entry.name.empty() || entry.used_at > oldest_use || !remove(entry.id)) continue;
      removed.push_back(std::move(entry));
    }
    return removed;
  }

 private:
  struct Caller {
    std::uint64_t request;
    Ready ready;
  };
  struct SetUp {
    EnvironmentSetUp::Order order;
    std::vector<Caller> callers;
    std::unique_ptr<EnvironmentSetUp> work;  // null: waits in line
  };
  struct Answer {
    std::uint64_t request;
    Ready ready;
    std::optional<ReadyEnvironment> environment;
    EnvironmentFailure failure;
  };

  std::optional<ReadyEnvironment> find(const EnvironmentSetUp::Order& order) {
    if (!order.is_interpreter_only()) return store_.find(order.id, order.key);
    const std::string& version = order.key.python_version;
    auto known = interpreters_.find(version);
    if (known == interpreters_.end()) {
      auto stored = store_.interpreter(version);
      if (!stored) return std::nullopt;
      stored->id = order.id;
      known = interpreters_.emplace(version, *stored).first;
    }
    if (access(known->second.python.c_str(), X_OK) == 0) return known->second;
    interpreters_.erase(known);
    return std::nullopt;
  }

  // The name stands for something else: ready, or being made.
  bool is_taken(const EnvironmentSetUp::Order& order) const {
    const auto other = set_ups_.find(order.id);
    if (other != set_ups_.end()) return id_of(other->second.order.key) != id_of(order.key);
    return store_.exists(order.id);
  }

  std::uint64_t refuse(std::uint64_t request, Ready ready, Error why) {
    answers_.push_back({request, std::move(ready), std::nullopt, of_error(std::move(why))});
    later_timer_.start(std::chrono::milliseconds(0));
    return request;
  }

  std::uint64_t join(std::uint64_t request, EnvironmentSetUp::Order order, Ready ready) {
    const auto found = set_ups_.find(order.id);
    if (found != set_ups_.end()) {
      found->second.callers.push_back({request, std::move(ready)});
      return request;
    }
    if (line_.size() >= limits::kMaximumWaitingSetUps) {
      return refuse(request, std::move(ready),
                    {ErrorCode::LimitReached,
                     fmt::format("OSError: {} environments wait to be made, and that is the limit. "
                                 "Try again when some of them are ready.",
                                 line_.size())});
    }
    const std::string id = order.id;
    SetUp& made = set_ups_[id];
    made.order = std::move(order);
    made.callers.push_back({request, std::move(ready)});
    line_.push_back(id);
    begin_next();
    return request;
  }

  void begin_next() {
    while (!line_.empty() && set_ups_.size() - line_.size() < limits::kMaximumSetUps) {
      const std::string id = std::move(line_.front());
      line_.pop_front();
      SetUp& set_up = set_ups_.at(id);
      Result<std::string> uv = find_uv();
      if (!uv) {
        ended(id, std::nullopt, of_error(uv.error()));
        continue;
      }
      set_up.work = std::make_unique<EnvironmentSetUp>(
          loop_, store_, uv.take(), set_up.order,
          [this, id](std::optional<ReadyEnvironment> environment, EnvironmentFailure failure) {
            ended(id, std::move(environment), std::move(failure));
            begin_next();
          });
    }
  }

  void ended(const std::string& id, std::optional<ReadyEnvironment> environment,
             EnvironmentFailure failure) {
    auto node = set_ups_.extract(id);
    SetUp& set_up = node.mapped();
    if (environment && set_up.order.is_interpreter_only()) {
      ReadyEnvironment known = *environment;
      known.setup_seconds = 0;
      store_.remember_interpreter(set_up.order.key.python_version, known);
      interpreters_[set_up.order.key.python_version] = std::move(known);
    } else if (environment) {
      spdlog::info("environment_made id={} packages={} seconds={:.2f}", id,
                   environment->locked.size(), environment->setup_seconds);
      prune();
    } else {
      spdlog::info("environment_failed id={} exit_code={}", id, failure.exit_code);
    }
    for (Caller& caller : set_up.callers) {
      answers_.push_back({caller.request, std::move(caller.ready), environment, failure});
    }
    // We are called by it: destroyed in a later turn.
    if (set_up.work) finished_.push_back(std::move(set_up.work));
    later_timer_.start(std::chrono::milliseconds(0));
  }

  void prune() {
    if (maximum_bytes_ == 0) return;
    run_in_pool(
        loop_, [store = store_, bytes = maximum_bytes_] { store.prune(bytes); }, nullptr);
  }

  void later() {
    finished_.clear();
    const std::weak_ptr<bool> alive = alive_;
    // One by one from where they stand: an answer may cancel the next, or destroy us.
    for (std::size_t left = answers_.size(); left > 0 && !answers_.empty(); --left) {
      Answer answer = std::move(answers_.front());
      answers_.pop_front();
      answer.ready(std::move(answer.environment), std::move(answer.failure));
      if (alive.expired()) return;
    }
    if (!answers_.empty()) later_timer_.start(std::chrono::milliseconds(0));
  }

  EventLoop& loop_;
  const std::uint64_t maximum_bytes_;
  const EnvironmentStore store_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // see later()

  std::uint64_t next_request_ = 1;
  std::map<std::string, SetUp> set_ups_;  // by id
  std::deque<std::string> line_;          // ids that wait for their turn
  std::vector<std::unique_ptr<EnvironmentSetUp>> finished_;
  std::deque<Answer> answers_;
  std::map<std::string, ReadyEnvironment> interpreters_;  // by what was asked for
  Timer later_timer_;
};

Environments::Environments(EventLoop& loop, Settings settings)
    : impl_(std::make_unique<Impl>(loop, std::move(settings))) {}

Environments::~Environments() = default;

std::uint64_t Environments::prepare(EnvironmentKey key, Ready ready) {
  return impl_->prepare(std::move(key), "", std::move(ready));
}

std::uint64_t Environments::prepare_named(std::string name, EnvironmentKey key, Ready ready) {
  if (name.empty()) name.push_back('?');  // is refused: it is no name
  return impl_->prepare(std::move(key), name, std::move(ready));
}

void Environments::cancel(std::uint64_t request) { impl_->cancel(request); }

std::vector<EnvironmentEntry> Environments::list() { return impl_->list(); }

std::vector<EnvironmentEntry> Environments::remove_unused(std::chrono::seconds age) {
  return impl_->remove_unused(age);
}

Result<void> Environments::remove(const std::string& id_or_name) {
  return impl_->remove(id_or_name);
}

}  // namespace pyember::host
