#include "host/workspace/workspaces.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/limits.h"
#include "host/scripts/text_file.h"

namespace pyember::host {

namespace {

constexpr std::string_view kLocal = "";

std::size_t sessions_of(const Workspace& workspace) {
  return workspace.registry().sessions().size();
}

}  // namespace

Workspace& Workspaces::local() {
  if (const auto found = all_.find(kLocal); found != all_.end()) return *found->second;
  return add(std::string(kLocal), local_places(parts_.options),
             {parts_.options.checkpoint_folder, std::nullopt});
}

Result<Workspace*> Workspaces::of(std::string_view principal) {
  if (const auto found = all_.find(principal); found != all_.end()) return found->second.get();
  if (principal == kLocal) return &local();
  if (all_.size() >= limits::kMaximumWorkspaces) {
    return Error{ErrorCode::LimitReached,
                 fmt::format("The server holds the sessions of {} clients, and that is the most. "
                             "Try again later.",
                             all_.size())};
  }
  Result<PrincipalPlaces> places = places_of_principal(principal);
  if (!places) return places.error();
  Workspace::Kept kept = kept_for(places.value());
  return &add(std::string(principal), places.take(), std::move(kept));
}

Workspace::Kept Workspaces::kept_for(const PrincipalPlaces& places) const {
  const Options& options = parts_.options;
  if (options.checkpoint_folder.empty()) return {};
  using Contents = CheckpointSlot::Contents;
  Result<CheckpointSlot> slot =
      CheckpointSlot::take_beside(options.checkpoint_folder, places.state, working_directory(),
                                  options.resume ? Contents::Newest : Contents::Fresh);
  if (!slot) {
    spdlog::warn("checkpoints_off principal={} error=\"{}\"", places.key, slot.error().message);
    return {};
  }
  return {slot.value().folder(), slot.take()};
}

Workspace& Workspaces::add(const std::string& principal, PrincipalPlaces places,
                           Workspace::Kept kept) {
  const std::string key = places.key;
  auto& made = all_[principal] =
      std::make_unique<Workspace>(parts_, std::move(places), std::move(kept),
                                  [this, principal] { return sessions_but_of(principal); });
  Workspace& workspace = *made;
  if (!refusal_.empty()) workspace.registry().refuse(refusal_);
  workspace.take_over(expected_of(key));
  if (parts_.options.resume && after_ == After::Start) {
    workspace.resume_checkpoints("this server was started with --resume");
  }
  if (adopting_) workspace.adopt();
  spdlog::debug("workspace_made principal={} sessions={}", key.empty() ? "local" : key,
                sessions_of(workspace));
  return workspace;
}

void Workspaces::give_up(std::string_view principal) {
  const auto found = all_.find(principal);
  if (found == all_.end()) return;
  spdlog::debug("workspace_given_up principal={}", found->second->places().key);
  found->second->flush();
  all_.erase(found);
}

void Workspaces::expect(std::vector<journal::KeptSession> sessions, After after) {
  after_ = after;
  for (journal::KeptSession& each : sessions) {
    journal::SessionEntry entry(parts_.sessions, each.name, each.next_number, each.owner);
    expected_.push_back({std::move(each), std::move(entry)});
  }
}

std::vector<journal::KeptSession> Workspaces::expected_of(const std::string& key) {
  const auto theirs =
      std::stable_partition(expected_.begin(), expected_.end(),
                            [&key](const Expected& each) { return each.session.owner != key; });
  std::vector<journal::KeptSession> found;
  std::transform(theirs, expected_.end(), std::back_inserter(found),
                 [](Expected& each) { return std::move(each.session); });
  expected_.erase(theirs, expected_.end());
  return found;
}

std::size_t Workspaces::sessions_but_of(const std::string& principal) const {
  std::size_t sum = 0;
  for (const auto& [name, workspace] : all_) {
    if (name != principal) sum += sessions_of(*workspace);
  }
  return sum;
}

void Workspaces::adopt_all() {
  adopting_ = true;
  for (const auto& [name, workspace] : all_) {
    workspace->adopt();
    workspace->registry().begin_all_now();
  }
}

void Workspaces::tick(std::uint64_t now, Workspace::Checkpointing checkpointing) {
  for (const auto& [name, workspace] : all_) workspace->tick(now, checkpointing);
}

void Workspaces::publish() {
  for (const auto& [name, workspace] : all_) workspace->publish();
}

std::string Workspaces::stop_largest(const std::string& why) {
  Workspace* largest = nullptr;
  SessionRegistry::Weight most{};
  for (const auto& [name, workspace] : all_) {
    const SessionRegistry::Weight weight = workspace->registry().heaviest();
    if (largest == nullptr || weight > most) {
      largest = workspace.get();
      most = weight;
    }
  }
  return largest == nullptr ? std::string() : largest->registry().stop_largest(why);
}

std::size_t Workspaces::waiting() const {
  std::size_t sum = 0;
  for (const auto& [name, workspace] : all_) {
    sum += workspace->server().waiting() + workspace->server().running_tasks();
  }
  return sum;
}

WorkspaceFigures Workspaces::figures() const {
  WorkspaceFigures figures;
  for (const auto& [name, workspace] : all_) workspace->count_into(figures);
  return figures;
}

void Workspaces::refuse(const std::string& message) {
  refusal_ = message;
  for (const auto& [name, workspace] : all_) workspace->registry().refuse(message);
}

void Workspaces::end_all(embed::Status status, const std::string& why) {
  for (const auto& [name, workspace] : all_) workspace->registry().end_all(status, why);
}

void Workspaces::hold_back() {
  for (const auto& [name, workspace] : all_) workspace->registry().hold_back();
}

void Workspaces::interrupt_all(const std::string& why) {
  for (const auto& [name, workspace] : all_) workspace->interrupt(why);
}

bool Workspaces::checkpoints_finished(std::uint64_t now) {
  bool all = true;
  for (const auto& [name, workspace] : all_) all = workspace->checkpoints_finished(now) && all;
  return all;
}

void Workspaces::flush() {
  for (const auto& [name, workspace] : all_) workspace->flush();
}

void Workspaces::remove_folders() {
  for (const auto& [name, workspace] : all_) workspace->registry().folders().remove_own();
}

}  // namespace pyember::host
