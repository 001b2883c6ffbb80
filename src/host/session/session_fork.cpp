#include "host/session/session_fork.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "host/state/carried_state.h"
#include "host/state/session_state_file.h"

namespace pyember::host {

namespace {

// Told once, even when what would tell is destroyed first.
class Promise {
 public:
  Promise(SessionRegistry& registry, std::string original, std::string name, ForkDone done)
      : registry_(registry),
        original_(std::move(original)),
        name_(std::move(name)),
        done_(std::move(done)) {}
  ~Promise() { fail(fmt::format("session '{}' or '{}' was closed meanwhile", original_, name_)); }

  SessionRegistry& registry() { return registry_; }
  const std::string& original() const { return original_; }
  const std::string& name() const { return name_; }
  HostSession* session() { return registry_.find(name_); }

  void keep(ForkedSession forked) {
    if (const ForkDone done = std::exchange(done_, nullptr)) done(std::move(forked));
  }
  void refuse(Error error) {
    if (const ForkDone done = std::exchange(done_, nullptr)) done(std::move(error));
  }
  void fail(const std::string& why) {
    refuse({ErrorCode::Unavailable,
            fmt::format("Session '{}' was not forked: {}. Nothing of it was changed. See "
                        "list_sessions, and call fork_session again.",
                        original_, why)});
  }

 private:
  SessionRegistry& registry_;
  const std::string original_;
  const std::string name_;
  ForkDone done_;
};

using Pending = std::shared_ptr<Promise>;  // held by whichever callback comes next

ForkedSession described(const HostSession& session) {
  ForkedSession forked;
  forked.name = session.name();
  forked.next_cell = session.next_number();
  forked.isolation = session.plan().room;
  return forked;
}

void fork_worker(const Pending& pending, HostSession& original) {
  Result<HostSession*> opened =
      pending->registry().open(pending->name(), original.plan(), original.next_number());
  if (!opened) return pending->refuse(opened.error());
  ForkedSession forked = described(*opened.value());
  forked.live = true;
  opened.value()->begin_as_copy(
      original, [pending, forked](Result<std::vector<std::string>> left) mutable {
        if (!left) {
          pending->registry().give_up(pending->name(), left.error().message);
          return pending->fail(left.error().message);
        }
        forked.left = left.take();
        pending->keep(std::move(forked));
      });
}

std::vector<std::string> left_in_words(const CarriedState::Reasons& reasons) {
  std::vector<std::string> left;
  for (const auto& [name, why] : reasons) left.push_back(fmt::format("{} ({})", name, why));
  return left;
}

// The names are in a file: begins a session with them.
void begin_from_file(const Pending& pending, const std::shared_ptr<SessionStateFile>& file,
                     CarriedState saved) {
  HostSession* original = pending->registry().find(pending->original());
  if (original == nullptr) return pending->fail("it was closed meanwhile");
  if (!saved.done) return pending->fail(saved.problem);
  Result<HostSession*> opened =
      pending->registry().open(pending->name(), original->plan(), original->next_number());
  if (!opened) return pending->refuse(opened.error());
  HostSession& session = *opened.value();
  ForkedSession forked = described(session);
  forked.left = left_in_words(saved.left_behind);
  if (!saved.running.empty()) forked.left.push_back(saved.running);
  session.history().add_from_json(original->history().to_json());
  session.begin_with(
      session.plan(), file->path(), pending->registry().settings().carry_timeout,
      when_carried([pending, file, forked](CarriedState state, std::vector<std::string>) mutable {
        if (!state.done) {
          pending->registry().give_up(pending->name(), state.problem);
          return pending->fail(state.problem);
        }
        for (std::string& each : left_in_words(state.troubles)) {
          forked.left.push_back(std::move(each));
        }
        pending->keep(std::move(forked));
      }));
}

void fork_by_file(const Pending& pending, HostSession& original) {
  const auto file = std::make_shared<SessionStateFile>();
  original.save({file->path(), pending->registry().settings().carry_timeout},
                when_carried([pending, file](CarriedState state, std::vector<std::string>) {
                  begin_from_file(pending, file, std::move(state));
                }));
}

void fork_now(const Pending& pending) {
  SessionRegistry& registry = pending->registry();
  HostSession* original = registry.find(pending->original());
  if (original == nullptr) return pending->fail("it was closed meanwhile");
  if (!original->has_state()) {
    Result<HostSession*> opened =
        registry.open(pending->name(), original->plan(), original->next_number());
    if (!opened) return pending->refuse(opened.error());
    return pending->keep(described(*opened.value()));
  }
  // A copy of a process behind a boundary would be behind the same one.
  if (original->plan().room == Isolation::Process) return fork_worker(pending, *original);
  fork_by_file(pending, *original);
}

}  // namespace

void fork_session(SessionRegistry& registry, const std::string& original, const std::string& name,
                  ForkDone done) {
  const auto pending = std::make_shared<Promise>(registry, original, name, std::move(done));
  const Result<HostSession*> found = registry.require(original);
  if (!found) return pending->refuse(found.error());
  HostSession* session = found.value();
  if (registry.find(name) != nullptr) {
    return pending->refuse({ErrorCode::InvalidArgument,
                            fmt::format("Session '{}' was not forked, because session '{}' is open "
                                        "already. Use another name, or close it with "
                                        "close_session first.",
                                        original, name)});
  }
  session->begin_now();  // if it only waits for its first use since the server's start
  session->when_settled([pending] { fork_now(pending); });
}

}  // namespace pyember::host
