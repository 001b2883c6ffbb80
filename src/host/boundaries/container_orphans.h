#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/boundaries/containers.h"
#include "host/environments/helper_command.h"
#include "host/loop/event_loop.h"
#include "host/runs/process_identity.h"

namespace pyember::host {

// Containers carry a label that says which server they belong to: its user, its process with when
// and in which process namespace it was started, and the boot of the machine. A container whose
// server is gone ends by itself as a rule, for its zygote notices; one that was stopped in the
// middle of being made, or whose code keeps the zygote from noticing, is an orphan.
std::string container_name(const ProcessIdentity& server, std::uint64_t instance);
std::vector<std::string> container_labels(const ProcessIdentity& server,
                                          const std::string& state_directory);

// A line of list_command()'s output.
struct ListedContainer {
  std::string name;
  std::string owner;  // the label's value
};
std::vector<std::string> list_command(const ContainerRuntime& runtime,
                                      const ContainerSettings& settings);
std::vector<ListedContainer> parse_list(std::string_view output);

// Whether the server of a container is surely gone. That of another user, of another process
// namespace or of another machine can't be known, and false is the answer.
bool is_orphan(const ListedContainer& container);

// Looks once for orphans and removes them, beside everything else: two commands of the runtime's.
// Loop's thread; destroying it stops that.
class ContainerOrphans {
 public:
  // `done` gets how many were removed; it must not destroy this.
  ContainerOrphans(EventLoop& loop, ContainerRuntime runtime, ContainerSettings settings,
                   std::function<void(std::size_t removed)> done);
  ~ContainerOrphans();

 private:
  void listed(const CommandEnd& end);
  void finish(std::size_t removed);
  void start(std::vector<std::string> command, HelperCommand::Done done);

  EventLoop& loop_;
  const ContainerRuntime runtime_;
  const ContainerSettings settings_;
  const std::function<void(std::size_t)> done_;
  std::unique_ptr<HelperCommand> listing_;
  std::unique_ptr<HelperCommand> removal_;
};

}  // namespace pyember::host
