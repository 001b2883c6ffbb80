#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "host/environments/environment_store.h"
#include "host/loop/event_loop.h"

namespace pyember::host {

// Makes one environment, step by step: `uv venv`, `uv pip install`, then into its place. Without
// dependencies and name there is nothing to make: uv is asked for the interpreter, which is used as
// it is. Destroying it ends the step that runs and removes what is half made. Loop's thread only.
class EnvironmentSetUp {
 public:
  // A normalised key.
  struct Order {
    std::string id;
    std::string name;  // empty: a cached one
    EnvironmentKey key;

    bool is_interpreter_only() const { return name.empty() && key.dependencies.empty(); }
  };
  using Done = std::function<void(std::optional<ReadyEnvironment>, EnvironmentFailure)>;

  // `done` is called once, in a later turn of the loop; it must not destroy this.
  EnvironmentSetUp(EventLoop& loop, const EnvironmentStore& store, std::string uv, Order order,
                   Done done);
  ~EnvironmentSetUp();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host
