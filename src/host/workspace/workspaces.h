#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/workspace/workspace.h"

namespace pyember::host {

// The workspaces by principal, made at the first request of each, and what the server does to all
// of them. The empty principal is the local one: whoever started the server, or may reach it
// without a token. Loop's thread only.
class Workspaces {
 public:
  explicit Workspaces(WorkspaceParts parts) : parts_(std::move(parts)) {}

  // An error when there are as many as there may be, or no place for it.
  Result<Workspace*> of(std::string_view principal);
  Workspace& local();
  // That principal's is let go; nothing may refer to it.
  void give_up(std::string_view principal);
  std::size_t count() const { return all_.size(); }

  // What a server before this one had open; and whether there was one.
  enum class After { Start, Death };
  void expect(std::vector<journal::KeptSession> sessions, After after);

  // Later, when there is time: see Workspace::adopt().
  void adopt_all();
  void tick(std::uint64_t now_ns, Workspace::Checkpointing checkpointing);
  void publish();
  // Ends the session that holds most memory, of all there are; its name, or empty.
  std::string stop_largest(const std::string& why);

  // Calls that go on although their requests were answered: with a question, or with a task.
  std::size_t waiting() const;
  // What all of them hold together.
  WorkspaceFigures figures() const;

  // --- the end, as SessionRegistry and Workspace name it ---
  void refuse(const std::string& message);
  bool refuses() const { return !refusal_.empty(); }
  void end_all(embed::Status status, const std::string& why);
  void hold_back();
  void interrupt_all(const std::string& why);
  bool checkpoints_finished(std::uint64_t now_ns);
  void flush();
  void remove_folders();

 private:
  // A session of a principal that has not come yet: the next server must know of it, too.
  struct Expected {
    journal::KeptSession session;
    journal::SessionEntry entry;
  };

  std::size_t sessions_but_of(const std::string& principal) const;
  Workspace::Kept kept_for(const PrincipalPlaces& places) const;
  std::vector<journal::KeptSession> expected_of(const std::string& key);
  Workspace& add(const std::string& principal, PrincipalPlaces places, Workspace::Kept kept);

  const WorkspaceParts parts_;
  std::map<std::string, std::unique_ptr<Workspace>, std::less<>> all_;
  std::vector<Expected> expected_;
  std::string refusal_;    // every workspace's; empty: none
  bool adopting_ = false;  // those that are made from now on adopt at once
  After after_ = After::Start;
};

}  // namespace pyember::host
