#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "host/session/session_registry.h"

namespace pyember::host {

// Writes the states of sessions that have fallen idle, unasked, so that a server that follows this
// one has them (docs/state.md). Nothing is done when a cell runs or ends: sessions are looked at
// with the server's tick, and a session that writes gives way to a cell within about a millisecond.
//
// One file for each session, replaced as a whole. How a checkpoint went is seen by its file alone.
// Owned by the Workspace; loop's thread only.
class Checkpoints {
 public:
  // An empty folder: none are written.
  Checkpoints(SessionRegistry& registry, std::string folder)
      : registry_(registry), folder_(std::move(folder)) {}

  bool on() const { return !folder_.empty(); }
  std::string path_of(const std::string& session) const;

  // Begins those that are due, and looks after those under way.
  void tick(std::uint64_t now_ns);
  // For the end of the server: writes what is not written yet. True when all is, or no time is
  // left; to be called again and again.
  bool finished(std::uint64_t now_ns);
  // There is one of the session as it is after this cell.
  void have(const std::string& session, embed::CellNumber cell);
  // The session is closed, or was emptied.
  void forget(const std::string& session);

 private:
  struct Entry {
    embed::CellNumber held = 0;     // the file has the state after this cell; 0: there is no file
    embed::CellNumber writing = 0;  // as it was after this cell; 0: nothing is being written
    std::uint64_t began_ns = 0;
    std::int64_t began_at_ns = 0;  // by the clock of files
    std::uint64_t inode = 0;       // of the file there was
    std::uint64_t cost_ns = 0;     // of the last one
  };

  bool due(const HostSession& session, const Entry& entry, std::uint64_t now_ns) const;
  void begin(HostSession& session, Entry& entry, std::uint64_t now_ns);
  void look_at(const std::string& name, Entry& entry, std::uint64_t now_ns);
  std::uint64_t bytes_of_others(const std::string& name) const;
  void remove_parts(const std::string& name) const;

  SessionRegistry& registry_;
  const std::string folder_;
  std::map<std::string, Entry> entries_;
  std::uint64_t ends_ns_ = 0;  // of the time for the last ones; 0: the server goes on
};

}  // namespace pyember::host
