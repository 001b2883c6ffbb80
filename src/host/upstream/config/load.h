#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/upstream/config/definition.h"
#include "host/upstream/config/places.h"
#include "host/upstream/config/variables.h"

namespace pyember::host {

// What became of one file.
struct ReadConfigFile {
  enum class State { Read, Missing, Unreadable, NotImported, Changed };

  ConfigFile file;
  State state = State::Read;
  std::vector<std::string> names;  // what it defines, used or not; empty unless Read or Changed
};

const char* to_string(ReadConfigFile::State state);

struct LoadedUpstreams {
  UpstreamConfiguration configuration;
  std::vector<ReadConfigFile> files;  // in the order in which their definitions win
};

// Reads all definitions. What is wrong is a warning and never an end: what can be used is used. The
// first definition of a name wins, also when it is disabled; those without command and url, and
// those of this server itself, don't count. `lookup` is what ${VAR} means: the environment unless
// told otherwise. Reads files, and waits for nothing else.
LoadedUpstreams load_upstream_files(const UpstreamConfigPlaces& places,
                                    const VariableLookup& lookup = {});
UpstreamConfiguration load_upstreams(const UpstreamConfigPlaces& places);

// This process's environment, and what editors call folders: workspaceFolder, userHome, cwd.
VariableLookup variables_of_process(const UpstreamConfigPlaces& places);

}  // namespace pyember::host
