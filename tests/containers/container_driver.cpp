// container_driver: what the server knows of containers, for a command line. Settings come from the
// environment, as the server's do.
//
//   container_driver run NAME EXCHANGE PACKAGES RUNTIME BUNDLED [READ-ONLY…]
//                              prints the command, a zero byte behind each word, and puts the
//                              filter into the exchange folder
//   container_driver remove NAME…, container_driver pull      print the command likewise
//   container_driver labels    prints those that this program's containers would have
//   container_driver bounds    prints whether the runtime keeps them: yes or no
//   container_driver explain   reads what a runtime printed, prints the error for people
//   container_driver orphans   removes them, prints how many there were

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/file_io.h"
#include "base/unique_fd.h"
#include "host/boundaries/container_failures.h"
#include "host/boundaries/container_orphans.h"
#include "host/boundaries/container_settings.h"
#include "host/boundaries/containers.h"
#include "host/boundaries/seccomp_program.h"

namespace {

using namespace pyember;
using namespace pyember::host;

using Words = std::vector<std::string>;

int complain(const std::string& message) {
  std::fputs((message + "\n").c_str(), stderr);
  return 1;
}

int print(const Words& words) {
  for (const std::string& word : words) fwrite(word.c_str(), 1, word.size() + 1, stdout);
  return 0;
}

bool write_filter(const std::string& folder) {
  const Result<int> filter = sandbox_filter();
  struct stat status {};
  if (!filter || fstat(filter.value(), &status) != 0) return false;
  const std::string path = folder + "/filter";
  const UniqueFd file(open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644));
  return file && write_all(file.get(),
                           read_at(filter.value(), 0, static_cast<std::size_t>(status.st_size)));
}

int run(const ContainerRuntime& runtime, const ContainerSettings& settings, const Words& words) {
  if (words.size() < 5) return complain("run NAME EXCHANGE PACKAGES RUNTIME BUNDLED [READ-ONLY…]");
  ContainerPlan plan;
  plan.name = words[0];
  plan.labels = container_labels(own_identity(), "/state");
  plan.exchange_directory = words[1];
  plan.packages_directory = words[2];
  plan.runtime_directory = words[3];
  plan.bundled_directory = words[4];
  plan.read_only.assign(words.begin() + 5, words.end());
  if (!write_filter(plan.exchange_directory)) return complain("no filter could be written");
  return print(run_command(runtime, settings, plan));
}

int explain(const ContainerRuntime& runtime, const ContainerSettings& settings) {
  std::string printed;
  for (int each = getchar(); each != EOF; each = getchar()) printed += static_cast<char>(each);
  puts(container_error(container_failure(printed), runtime, settings, printed).message.c_str());
  return 0;
}

int remove_orphans(const ContainerRuntime& runtime, const ContainerSettings& settings) {
  EventLoop loop;
  std::size_t removed = 0;
  const ContainerOrphans orphans(loop, runtime, settings, [&](std::size_t count) {
    removed = count;
    loop.stop();
  });
  loop.run();
  fmt::print("{}\n", removed);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const Words words(arguments + std::min(count, 2), arguments + count);
  const std::string verb = count > 1 ? arguments[1] : "";
  const Result<ContainerSettings> settings = read_container_settings();
  if (!settings) return complain(settings.error().message);
  const Result<ContainerRuntime> runtime = find_container_runtime(settings.value().runtime);
  if (!runtime) return complain(runtime.error().message);
  if (verb == "run") return run(runtime.value(), settings.value(), words);
  if (verb == "remove") return print(remove_command(runtime.value(), settings.value(), words));
  if (verb == "pull") return print(pull_command(runtime.value(), settings.value()));
  if (verb == "labels") return print(container_labels(own_identity(), "/state"));
  if (verb == "bounds") return puts(bounds_are_kept(runtime.value()) ? "yes" : "no") < 0;
  if (verb == "explain") return explain(runtime.value(), settings.value());
  if (verb == "orphans") return remove_orphans(runtime.value(), settings.value());
  return complain("run, remove, pull, labels, bounds, explain or orphans");
}
