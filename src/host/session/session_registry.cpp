#include "host/session/session_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "host/session/race.h"
#include "host/upstream/saved_tools.h"

namespace pyember::host {

namespace {

std::uint64_t in_ns(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

std::string duration_text(std::chrono::milliseconds duration) {
  const double seconds = static_cast<double>(duration.count()) / 1000;
  if (seconds < 120) return fmt::format("{:g} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.0f} h", seconds / 3600);
}

bool has_content(const std::string& file) {
  std::error_code error;
  return !file.empty() && std::filesystem::file_size(file, error) > 0 && !error;
}

}  // namespace

Result<void> check_session_name(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= limits::kMaximumSessionNameBytes &&
                    name.find_first_not_of(
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789_.-") == std::string_view::npos;
  if (fits) return {};
  return Error{
      ErrorCode::InvalidArgument,
      fmt::format("The session name '{}' can't be used: a name is 1 to {} letters, digits, '_', "
                  "'.' or '-'. Choose such a name, or leave 'session' out for 'main'.",
                  name.substr(0, 80), limits::kMaximumSessionNameBytes)};
}

SessionRegistry::SessionRegistry(SessionRooms& rooms, EventLoop& loop, LoopPoster& poster,
                                 SessionSettings settings)
    : rooms_(rooms),
      loop_(loop),
      poster_(poster),
      settings_(std::move(settings)),
      cpus_(settings_.cpus != nullptr ? *settings_.cpus : own_cpus_.emplace(loop)),
      chunk_(limits::kReadChunkBytes),
      folders_(settings_.folders_directory) {
  cpus_.add(*this);
}

SessionRegistry::~SessionRegistry() {
  cpus_.remove(*this);
  sessions_.clear();
  retired_.clear();
}

// --- cells and sessions ------------------------------------------------------------------------

Result<embed::CellNumber> SessionRegistry::run(const std::string& name, CellSpec spec,
                                               std::unique_ptr<CellObserver> observer) {
  const Result<HostSession*> session = with_room_for_a_cell(name, spec.wish.get());
  if (!session) return session.error();
  return session.value()->submit(std::move(spec), std::move(observer));
}

Result<embed::CellNumber> SessionRegistry::race(const std::string& name, CellSpec spec,
                                                RaceOrder order,
                                                std::unique_ptr<CellObserver> observer) {
  const Result<HostSession*> session = with_room_for_a_cell(name, spec.wish.get());
  if (!session) return session.error();
  return session.value()->submit_race(std::move(spec), std::move(order), std::move(observer));
}

Result<HostSession*> SessionRegistry::with_room_for_a_cell(const std::string& name,
                                                           const SessionWish* wish) {
  if (!refusal_.empty()) return Error{ErrorCode::Unavailable, refusal_};
  const Result<HostSession*> found = find_or_make(name, wish != nullptr ? *wish : SessionWish{});
  if (!found) return found.error();
  HostSession* session = found.value();
  if (session->cells().size() >= settings_.maximum_queued_cells) {
    return Error{ErrorCode::LimitReached,
                 fmt::format("The cell was not queued: session '{}' has {} cells waiting, and that "
                             "is the limit. Wait for answers, interrupt the running cell with "
                             "interrupt_session, or use another session.",
                             name, session->cells().size())};
  }
  return session;
}

Result<HostSession*> SessionRegistry::find_or_make(const std::string& name,
                                                   const SessionWish& wish) {
  HostSession* session = find(name);
  if (session == nullptr) {
    if (const Result<void> room = may_open(name); !room) return room.error();
    Result<SessionPlan> plan = new_session_plan(wish);
    if (!plan) return plan.error();
    session = &make(name, plan.take());
  }
  return session;
}

Result<HostSession*> SessionRegistry::open(const std::string& name, SessionPlan plan,
                                           embed::CellNumber first) {
  if (!refusal_.empty()) return Error{ErrorCode::Unavailable, refusal_};
  if (find(name) != nullptr) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("Session '{}' was not opened, because it is open already. Use another "
                             "name, or close it with close_session first.",
                             name)};
  }
  if (const Result<void> room = may_open(name); !room) return room.error();
  // A state of a session that had no boundary does not bring that back.
  if (settings_.always_behind_boundary && boundary_of(plan.room) == Boundary::None) {
    plan.asked = plan.room = settings_.isolation;
    plan.confinement = {};
    if (plan.python_version.find('/') != std::string::npos) plan.python_version.clear();
  }
  return &make(name, std::move(plan), first);
}

Result<SessionPlan> SessionRegistry::new_session_plan(const SessionWish& wish) const {
  return new_plan(wish, settings_.isolation, settings_.always_behind_boundary);
}

Result<void> SessionRegistry::may_open(const std::string& name) const {
  const Result<void> named = check_session_name(name);
  if (!named) return named.error();
  const std::size_t others = settings_.others_open ? settings_.others_open() : 0;
  if (sessions_.size() < settings_.maximum_sessions) {
    if (others == 0 || sessions_.size() + others < settings_.all_sessions) return {};
    return Error{ErrorCode::LimitReached,
                 fmt::format("Session '{}' was not opened: this server's clients have as many "
                             "sessions open as it holds. Use one of yours that is open "
                             "(list_sessions), or try again later.",
                             name)};
  }
  return Error{ErrorCode::LimitReached,
               fmt::format("Session '{}' was not opened: {} sessions are open, and that is the "
                           "limit. Close one with close_session, use one that is open "
                           "(list_sessions), or start the server with a higher --max-sessions.",
                           name, sessions_.size())};
}

Result<SessionFolder*> SessionRegistry::folder_of(const std::string& name) {
  HostSession* session = find(name);
  if (session == nullptr) return no_session(name);
  if (const Result<void> given = give_folder(*session); !given) return given.error();
  return session->products().folder();
}

Result<SessionFolder*> SessionRegistry::folder_to_fill(const std::string& name) {
  if (!refusal_.empty()) return Error{ErrorCode::Unavailable, refusal_};
  const Result<HostSession*> session = find_or_make(name, {});
  if (!session) return session.error();
  if (const Result<void> given = give_folder(*session.value()); !given) return given.error();
  return session.value()->products().folder();
}

Result<void> SessionRegistry::give_folder(HostSession& session) {
  if (session.products().folder() != nullptr) return {};
  if (settings_.folders_directory.empty()) {
    return Error{ErrorCode::Unavailable,
                 "Sessions of this server have no folders. Have a cell write what it needs."};
  }
  Result<std::unique_ptr<SessionFolder>> folder = folders_.make(session.name());
  if (!folder) return folder.error();
  session.products().set_folder(folder.take());
  return {};
}

void SessionRegistry::cancel(const std::string& name, embed::CellNumber number) {
  if (HostSession* session = find(name)) session->cancel(number);
}

HostSession* SessionRegistry::find(const std::string& name) {
  const auto found = sessions_.find(name);
  return found == sessions_.end() ? nullptr : found->second.get();
}

HostSession& SessionRegistry::make(const std::string& name, SessionPlan plan,
                                   embed::CellNumber first) {
  std::string notice;
  const auto grave = std::find_if(tombstones_.begin(), tombstones_.end(),
                                  [&](const Tombstone& each) { return each.name == name; });
  if (grave != tombstones_.end()) {
    first = std::max(
        first, grave->next_number);  // links to the old one's output must not show the new one's
    if (!grave->asked_for) {
      notice = fmt::format(
          "Session '{}' is new and empty: the one of that name is gone, because {}. Import and "
          "define again what you need.",
          name, grave->why);
    }
    tombstones_.erase(grave);
  }
  auto& session = sessions_[name] =
      std::make_unique<HostSession>(name, first, std::move(plan), *this);
  if (!notice.empty()) session->add_notice(std::move(notice));
  return *session;
}

void SessionRegistry::mourn(const std::string& name, std::string why,
                            embed::CellNumber next_number) {
  if (!check_session_name(name)) return;
  remember({name, std::move(why), next_number, now_ns(), false,
            journal::SessionEntry(settings_.log, name, next_number, settings_.owner)});
}

Result<HostSession*> SessionRegistry::require(const std::string& name) {
  if (HostSession* session = find(name)) return session;
  if (const Result<void> named = check_session_name(name); !named) return named.error();
  return no_session(name);
}

Error SessionRegistry::no_session(const std::string& name) const {
  const auto grave = std::find_if(tombstones_.begin(), tombstones_.end(),
                                  [&](const Tombstone& each) { return each.name == name; });
  std::string open;
  for (const auto& [other, session] : sessions_) {
    if (open.size() > 400) {
      open += ", …";
      break;
    }
    open += (open.empty() ? "" : ", ") + other;
  }
  return {ErrorCode::NotFound,
          fmt::format("There is no session '{}': {}. {} run_python opens a session by its name.",
                      name.substr(0, 80),
                      grave == tombstones_.end() ? "none of that name has been opened" : grave->why,
                      open.empty() ? "No session is open;" : "Open sessions: " + open + ";")};
}

Result<void> SessionRegistry::close(const std::string& name) {
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return no_session(name);
  const std::unique_ptr<HostSession> session = std::move(found->second);
  sessions_.erase(found);
  remember({name, "it was closed with close_session", session->next_number(), now_ns(), true});
  session->end(embed::Status::Interrupted,
               fmt::format("The cell was stopped or not run: session '{}' was closed with "
                           "close_session. Send it again to run it in a new session.",
                           name));
  state_gone(name);
  outputs_changed();
  return {};
}

void SessionRegistry::give_up(const std::string& name, const std::string& why) {
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return;
  const std::unique_ptr<HostSession> session = std::move(found->second);
  sessions_.erase(found);
  remember({name, "it could not begin", session->next_number(), now_ns(), true});
  session->end(embed::Status::Lost, fmt::format("The cell was not run: {}", why));
  outputs_changed();
}

std::unique_ptr<HostSession> SessionRegistry::set_aside(const std::string& name) {
  const auto found = sessions_.find(name);
  if (found == sessions_.end()) return nullptr;
  std::unique_ptr<HostSession> session = std::move(found->second);
  sessions_.erase(found);
  return session;
}

void SessionRegistry::put_back(std::unique_ptr<HostSession> session) {
  sessions_[session->name()] = std::move(session);
}

void SessionRegistry::discard(const std::string& name, const std::string& why) {
  if (const std::unique_ptr<HostSession> session = set_aside(name)) {
    session->end(embed::Status::Interrupted, why);
    outputs_changed();
  }
}

void SessionRegistry::begin_all_now() {
  for (const auto& [name, session] : sessions_) session->begin_now();
}

void SessionRegistry::remember(Tombstone tombstone) {
  std::erase_if(tombstones_, [&](const Tombstone& each) { return each.name == tombstone.name; });
  if (tombstones_.size() >= limits::kMaximumTombstones) tombstones_.erase(tombstones_.begin());
  tombstones_.push_back(std::move(tombstone));
}

void SessionRegistry::end_all(embed::Status status, const std::string& why) {
  auto sessions = std::move(sessions_);
  sessions_.clear();
  for (auto& [name, session] : sessions) session->end(status, why);
}

void SessionRegistry::hold_back() {
  for (const auto& [name, session] : sessions_) session->hold_back();
}

void SessionRegistry::interrupt_all(const std::string& why) {
  for (auto& [name, session] : sessions_) {
    session->withdraw_waiting(why);
    session->interrupt();
  }
}

std::size_t SessionRegistry::busy_sessions() const {
  return static_cast<std::size_t>(std::count_if(
      sessions_.begin(), sessions_.end(), [](const auto& entry) { return entry.second->busy(); }));
}

namespace {

SessionRegistry::Weight weight_of(const HostSession& session) {
  return {session.busy(), session.memory_bytes()};
}

}  // namespace

SessionRegistry::Weight SessionRegistry::heaviest() const {
  Weight most{false, -1};
  for (const auto& [name, session] : sessions_) most = std::max(most, weight_of(*session));
  return most;
}

std::string SessionRegistry::stop_largest(const std::string& why) {
  HostSession* largest = nullptr;
  for (auto& [name, session] : sessions_) {
    if (largest == nullptr || weight_of(*session) > weight_of(*largest)) largest = session.get();
  }
  if (largest == nullptr) return {};
  const std::string name = largest->name();
  const std::unique_ptr<HostSession> session = std::move(sessions_.at(name));
  sessions_.erase(name);
  remember({name, why, session->next_number(), now_ns(), false});
  session->end(embed::Status::Lost,
               fmt::format("Session '{}' was stopped, because {}. Its state is gone. Work on "
                           "smaller pieces of the data, or close sessions you no longer need.",
                           name, why));
  return name;
}

void SessionRegistry::tick(std::uint64_t now) {
  std::vector<std::string> idle;
  for (auto& [name, session] : sessions_) {
    session->tick(now);
    // `now` may be older than the end of a cell that this very turn of the loop brought.
    if (settings_.idle_timeout.count() > 0 && !session->busy() &&
        session->idle_since_ns() + in_ns(settings_.idle_timeout) < now) {
      idle.push_back(name);
    }
  }
  for (const std::string& name : idle) {
    const std::unique_ptr<HostSession> session = std::move(sessions_.at(name));
    sessions_.erase(name);
    remember({name,
              fmt::format("it was closed after {} without a call",
                          duration_text(settings_.idle_timeout)),
              session->next_number(), now, false});
    session->end(embed::Status::Interrupted, "The session was idle and was closed.");
    outputs_changed();
  }
}

// --- links ---------------------------------------------------------------------------------------

std::unique_ptr<SessionLink> SessionRegistry::open_link(HostSession& session,
                                                        SessionLink::Owner& owner,
                                                        std::uint64_t& id) {
  // Threads made on the way inherit the CPUs this one may use.
  cpus_.release_loop();
  id = next_link_++;
  by_link_.emplace(id, &session);
  embed::SessionOptions options = options_for(session);
  options.working_directory = settings_.working_directory;
  const SessionPlan& plan = session.plan();
  options.look_ahead = plan.asked == Isolation::Auto;
  options.saved_tools = settings_.saved_tools && has_content(settings_.saved_tools->path());
  options.confinement = plan.confinement;
  const SessionLink::Opener open =
      [&](embed::SessionListener& listener) -> std::unique_ptr<embed::Session> {
    if (plan.room == Isolation::InProcess) {
      return rooms_.open_in_process(std::move(options), listener);
    }
    auto worker = rooms_.open_worker(
        plan.place.python.empty() ? rooms_.own_place(boundary_of(plan.room)) : plan.place,
        plan.limits, std::move(options), listener);
    if (plan.undo != 0) rooms_.keep_copies(*worker, plan.undo);
    return worker;
  };
  return link_to(open, owner, id);
}

std::unique_ptr<SessionLink> SessionRegistry::open_copied_link(HostSession& session,
                                                               SessionLink::Owner& owner,
                                                               embed::Session& original,
                                                               Copied copied, std::uint64_t& id) {
  id = next_link_++;
  by_link_.emplace(id, &session);
  embed::SessionOptions options = options_for(session);
  const SessionLink::Opener open = [&](embed::SessionListener& listener) {
    auto copy = rooms_.open_copy(original, std::move(options), listener, std::move(copied));
    if (session.plan().undo != 0) rooms_.keep_copies(*copy, session.plan().undo);
    return copy;
  };
  return link_to(open, owner, id);
}

embed::SessionOptions SessionRegistry::options_for(HostSession& session) {
  embed::SessionOptions options{session.name(), {}};
  if (settings_.folders_directory.empty()) return options;
  if (const Result<void> given = give_folder(session)) {
    options.folder = session.products().folder()->path();
  } else {
    session.add_notice(given.error().message);
  }
  return options;
}

std::unique_ptr<SessionLink> SessionRegistry::link_to(const SessionLink::Opener& open,
                                                      SessionLink::Owner& owner, std::uint64_t id) {
  return std::make_unique<SessionLink>(open, SessionLink::Place{loop_, poster_, chunk_, calls_},
                                       owner, [this, link = id] { wake(link); });
}

std::unique_ptr<SessionLink> SessionRegistry::open_copy_link(HostSession& session,
                                                             embed::Session& original,
                                                             SessionLink::Owner& owner,
                                                             Copied copied, std::uint64_t& id) {
  id = next_link_++;
  by_link_.emplace(id, &session);
  const SessionLink::Opener open = [&](embed::SessionListener& listener) {
    return rooms_.open_copy(original, {}, listener, std::move(copied));
  };
  return std::make_unique<SessionLink>(open, SessionLink::Place{loop_, poster_, chunk_, calls_},
                                       owner, [this, link = id] { wake(link); });
}

void SessionRegistry::retire_link(std::unique_ptr<SessionLink> link, std::uint64_t id) {
  // It may be in the middle of a call to its owner: destroyed in a later turn.
  by_link_.erase(id);
  retired_.push_back(std::move(link));
  if (retired_.size() == 1) poster_.post([this] { retired_.clear(); });
}

void SessionRegistry::wake(std::uint64_t id) {
  const auto found = by_link_.find(id);
  if (found != by_link_.end()) found->second->pump();
}

}  // namespace pyember::host
