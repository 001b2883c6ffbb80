#include "host/upstream/config/load.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <set>
#include <utility>

#include "base/limits.h"
#include "host/upstream/config/aliases.h"
#include "host/upstream/config/config_file.h"
#include "host/upstream/config/entry.h"
#include "host/upstream/config/imports.h"
#include "host/upstream/config/self_reference.h"

namespace pyember::host {

namespace {

class Loading {
 public:
  Loading(const UpstreamConfigPlaces& places, VariableLookup lookup)
      : places_(places), lookup_(std::move(lookup)) {}

  LoadedUpstreams load() {
    Result<ImportedFiles> imports = ImportedFiles::load(places_.imports_file);
    if (imports) {
      imports_ = imports.take();
    } else {
      warn(imports.error().message);
    }
    for (ConfigFile& file : config_files(places_)) read(std::move(file));
    return std::move(result_);
  }

 private:
  void warn(std::string warning) {
    auto& warnings = result_.configuration.warnings;
    if (warnings.size() < limits::kMaximumConfigurationWarnings) {
      warnings.push_back(std::move(warning));
    }
  }

  void read(ConfigFile file) {
    result_.files.push_back({file, ReadConfigFile::State::Read, {}});
    ReadConfigFile& record = result_.files.back();
    record.state = look_at(file, record.names);
    const bool waits = record.state == ReadConfigFile::State::NotImported ||
                       record.state == ReadConfigFile::State::Changed;
    if (waits) result_.configuration.not_imported.push_back(file.path);
  }

  ReadConfigFile::State look_at(const ConfigFile& file, std::vector<std::string>& names) {
    using State = ReadConfigFile::State;
    if (!file.exists) {
      warn(
          fmt::format("{} is not read, because there is no such file. Check the name in "
                      "--upstreams, PYEMBER_UPSTREAMS or MCP_SERVERS_CONFIG.",
                      file.path));
      return State::Missing;
    }
    const bool asks = file.owner == ConfigOwner::Client || file.owner == ConfigOwner::Project;
    if (asks && !imports_.has(file.path)) return State::NotImported;
    const Result<ConfigContents> contents = read_config_file(file.path, places_.working_directory);
    if (!contents) {
      warn(contents.error().message);
      return State::Unreadable;
    }
    for (const auto& entry : contents.value().entries) names.push_back(entry.first);
    if (asks && !imports_.allows(file, digest_of(contents.value()))) {
      warn(
          fmt::format("{} is not read, because what it says of servers has changed since it was "
                      "imported. Look at it with pyember upstreams import, and import it again.",
                      file.path));
      return State::Changed;
    }
    add_all(file, contents.value());
    return State::Read;
  }

  void add_all(const ConfigFile& file, const ConfigContents& contents) {
    const EntrySurroundings around{file.path, contents.description, places_.working_directory,
                                   lookup_};
    for (const auto& [name, entry] : contents.entries) {
      if (names_.contains(name)) continue;  // the first definition wins
      ReadEntry read = read_entry(name, entry, around);
      const bool ours =
          read.definition && !places_.allows_itself && is_this_server(*read.definition);
      if (ours) continue;
      if (!read.disabled) {
        for (std::string& warning : read.warnings) warn(std::move(warning));
      }
      if (read.definition) add(std::move(*read.definition), read.disabled);
    }
  }

  void add(UpstreamDefinition definition, bool disabled) {
    names_.insert(definition.name);
    if (disabled) return;
    auto& upstreams = result_.configuration.upstreams;
    if (upstreams.size() >= limits::kMaximumUpstreams) {
      return warn(
          fmt::format("Server '{}' of {} is left out, because {} others are configured, "
                      "and more are not used. Remove some.",
                      definition.name, definition.source, limits::kMaximumUpstreams));
    }
    definition.alias = aliases_.take(alias_of(definition.name));
    upstreams.push_back(std::move(definition));
  }

  const UpstreamConfigPlaces& places_;
  const VariableLookup lookup_;
  ImportedFiles imports_;
  std::set<std::string> names_;  // defined, also when disabled
  // mcp_servers is a name of its own in code, so no server is mcp_<servers>.
  UniqueAliases aliases_{std::set<std::string>{"servers"}};
  LoadedUpstreams result_;
};

}  // namespace

const char* to_string(ReadConfigFile::State state) {
  switch (state) {
    case ReadConfigFile::State::Read:
      return "read";
    case ReadConfigFile::State::Missing:
      return "missing";
    case ReadConfigFile::State::Unreadable:
      return "unreadable";
    case ReadConfigFile::State::NotImported:
      return "not imported";
    case ReadConfigFile::State::Changed:
      return "changed since it was imported";
  }
  return "";
}

VariableLookup variables_of_process(const UpstreamConfigPlaces& places) {
  return [folder = places.working_directory,
          home = places.home](const std::string& name) -> std::optional<std::string> {
    if (const char* value = getenv(name.c_str()); value != nullptr) return value;
    if (name == "workspaceFolder" || name == "cwd") return folder;
    if (name == "workspaceFolderBasename") return folder.substr(folder.rfind('/') + 1);
    if (name == "userHome") return home;
    if (name == "pathSeparator") return "/";
    return std::nullopt;
  };
}

LoadedUpstreams load_upstream_files(const UpstreamConfigPlaces& places,
                                    const VariableLookup& lookup) {
  return Loading(places, lookup ? lookup : variables_of_process(places)).load();
}

UpstreamConfiguration load_upstreams(const UpstreamConfigPlaces& places) {
  return load_upstream_files(places).configuration;
}

}  // namespace pyember::host
