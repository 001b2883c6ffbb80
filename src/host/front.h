#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace pyember::host {

// How clients reach the workspaces: over stdin and stdout, or over HTTP. Owned by the App; loop's
// thread only.
class Front {
 public:
  virtual ~Front() = default;

  // What a server before this one has left is read, once, before start(); whether there was one.
  virtual bool follows_another() = 0;
  // Clients are served from now on, those first that the other server has left unanswered. The
  // error: they can't be, and the server ends.
  virtual Result<void> start() = 0;
  virtual void tick(std::uint64_t now_ns) = 0;

  // Requests that are not answered yet.
  virtual std::size_t in_flight() const = 0;
  // Those of them that have begun, and end with this server.
  virtual std::size_t begun() const = 0;
  // Clients do not keep up: what may be left out should be.
  virtual bool congested() const = 0;

  // --- the end ---
  // Another server follows, in order. Whether that one serves what has not begun by now, which is
  // then to be left alone.
  enum class Handover { NextServesTheRest, NothingIsLeft };
  virtual Handover hand_over() = 0;
  // The server ends as soon as what is in flight is answered.
  virtual void close() = 0;
  // Writes what waits; whether nothing does any more.
  virtual bool flushed() = 0;
};

}  // namespace pyember::host
