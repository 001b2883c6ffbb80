#include "cli/upstreams/import_upstreams.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "cli/upstreams/upstream_texts.h"
#include "host/scripts/text_file.h"
#include "host/upstream/config/config_file.h"
#include "host/upstream/config/entry.h"
#include "host/upstream/config/imports.h"
#include "host/upstream/config/load.h"
#include "host/upstream/config/self_reference.h"

namespace pyember::cli {

namespace fs = std::filesystem;
using host::ConfigFile;
using host::ConfigOwner;
using mcp::Json;

namespace {

// One file, and what it defines.
struct Candidate {
  ConfigFile file;
  bool imported = false;
  bool changed = false;  // was imported, and says something else now
  std::string problem;   // why it can't be read
  std::string digest;
  std::vector<host::UpstreamDefinition> servers;  // without those that can't be used
  std::vector<std::string> notes;                 // on the others
};

// A line from the terminal; false for anything but yes.
bool says_yes() {
  std::string line;
  for (char c = 0; read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) {
    line += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return line == "y" || line == "yes";
}

bool same_file(const std::string& one, const std::string& other) {
  std::error_code failed;
  return one == other || fs::equivalent(one, other, failed);
}

class Importing {
 public:
  Importing(const UpstreamsCommand& command, host::ImportedFiles imports)
      : command_(command),
        places_(host::find_upstream_config_places(command.files)),
        lookup_(host::variables_of_process(places_)),
        imports_(std::move(imports)) {
    for (const ConfigFile& file : host::config_files(places_)) {
      const bool asks = file.owner == ConfigOwner::Client || file.owner == ConfigOwner::Project;
      if (asks) candidates_.push_back(look_at(file));
    }
  }

  int run() {
    if (!command_.allowed.empty() || !command_.removed.empty()) return change();
    if (command_.json) {
      out_.write_line(pretty(as_json()));
      return 0;
    }
    if (candidates_.empty()) {
      out_.write_line(
          "No client's file that defines MCP servers was found. Files that are not a "
          "client's are named with --upstreams FILE, or put into ~/MCPs.");
      return 0;
    }
    const bool asks = isatty(STDIN_FILENO) == 1 && out_.is_terminal();
    for (Candidate& each : candidates_) {
      show(each);
      const bool useful = each.problem.empty() && !each.servers.empty();
      if (!useful || (each.imported && !each.changed)) continue;
      if (!asks) {
        out_.write_line(fmt::format("  To read it: pyember upstreams import --yes '{}'",
                                    printable(each.file.path)));
        continue;
      }
      out_.write(
          "  May pyember read this file, and start these servers when code calls them? "
          "[y/N] ");
      if (says_yes()) allow(each);
    }
    return save();
  }

 private:
  Candidate look_at(const ConfigFile& file) {
    Candidate candidate;
    candidate.file = file;
    const auto contents = host::read_config_file(file.path, places_.working_directory);
    candidate.imported = imports_.has(file.path);
    if (!contents) {
      candidate.problem = contents.error().message;
      return candidate;
    }
    candidate.digest = host::digest_of(contents.value());
    candidate.changed = candidate.imported && !imports_.allows(file, candidate.digest);
    const host::EntrySurroundings around{file.path, contents.value().description,
                                         places_.working_directory, lookup_};
    for (const auto& [name, entry] : contents.value().entries) {
      host::ReadEntry read = host::read_entry(name, entry, around);
      const bool ours = read.definition && host::is_this_server(*read.definition);
      if (read.definition && !read.disabled && !ours) {
        candidate.servers.push_back(std::move(*read.definition));
      } else if (ours || read.disabled) {
        candidate.notes.push_back(
            fmt::format("{}: {}", name, ours ? "this server itself" : "disabled"));
      }
      if (!read.definition && !read.disabled) {
        for (std::string& warning : read.warnings) candidate.notes.push_back(std::move(warning));
      }
    }
    return candidate;
  }

  void show(const Candidate& candidate) const {
    const std::string state = candidate.changed    ? out_.styled(Style::Yellow, "has changed")
                              : candidate.imported ? out_.styled(Style::Green, "imported")
                                                   : "not imported";
    out_.write_line(fmt::format("{}  {}, {}",
                                out_.styled(Style::Bold, short_path(candidate.file.path)),
                                candidate.file.client, state));
    if (!candidate.problem.empty()) out_.write_line("  " + printable(candidate.problem));
    for (const auto& server : candidate.servers) {
      std::string line = fmt::format("  {}: {}", printable(server.name), printable(server.shown));
      std::vector<std::string> with;
      for (const auto& variable : server.environment) with.push_back(variable.first);
      for (const auto& header : server.headers) with.push_back(header.first);
      if (!with.empty())
        line += fmt::format("  (with {})", printable(fmt::format("{}", fmt::join(with, ", "))));
      out_.write_line(line);
    }
    for (const std::string& note : candidate.notes) {
      out_.write_line(out_.styled(Style::Dim, "  " + printable(note)));
    }
    const bool nothing = candidate.problem.empty() && candidate.servers.empty();
    if (nothing && candidate.notes.empty()) out_.write_line("  defines no MCP servers");
  }

  Json as_json() const {
    Json files = Json::array();
    for (const Candidate& each : candidates_) {
      Json file{{"path", each.file.path},
                {"client", each.file.client},
                {"imported", each.imported && !each.changed},
                {"changed", each.changed}};
      if (!each.problem.empty()) file["problem"] = each.problem;
      Json servers = Json::array();
      for (const auto& server : each.servers) {
        Json described = describe_definition(server);
        described.erase("alias");  // it depends on the other files
        described.erase("source");
        servers.push_back(std::move(described));
      }
      file["servers"] = std::move(servers);
      file["notes"] = each.notes;
      files.push_back(std::move(file));
    }
    return Json{{"files", std::move(files)}};
  }

  void allow(const Candidate& candidate) {
    imports_.add(candidate.file, candidate.digest);
    std::vector<std::string> names;
    for (const auto& server : candidate.servers) names.push_back(printable(server.name));
    out_.write_line(
        fmt::format("imported {}: {}", short_path(candidate.file.path),
                    names.empty() ? "no servers" : fmt::format("{}", fmt::join(names, ", "))));
  }

  int complain(const std::string& message) const {
    const Terminal err = Terminal::err();
    err.write_line(err.styled(Style::Red, "pyember: ") + printable(message));
    return 1;
  }

  int change() {
    int exit_code = 0;
    for (const std::string& name : command_.allowed) {
      const std::string path = host::resolved_path(name, places_.working_directory);
      const auto found =
          std::find_if(candidates_.begin(), candidates_.end(),
                       [&](const Candidate& each) { return same_file(each.file.path, path); });
      if (found == candidates_.end()) {
        exit_code = complain(fmt::format(
            "{} can't be imported, because it is none of the clients' files that are looked at. "
            "pyember upstreams import lists those; name any other file with --upstreams.",
            path));
      } else if (!found->problem.empty()) {
        exit_code = complain(found->problem);
      } else {
        allow(*found);
      }
    }
    for (const std::string& name : command_.removed) {
      const std::string path = host::resolved_path(name, places_.working_directory);
      if (imports_.remove(path)) {
        out_.write_line(fmt::format("{} is not read any more", short_path(path)));
      } else {
        exit_code = complain(fmt::format(
            "{} can't be removed, because it was not imported. pyember upstreams import lists the "
            "files that are.",
            path));
      }
    }
    return std::max(exit_code, save());
  }

  int save() const {
    const Result<void> saved = imports_.save();
    return saved ? 0 : complain(saved.error().message);
  }

  const UpstreamsCommand& command_;
  const host::UpstreamConfigPlaces places_;
  const host::VariableLookup lookup_;
  host::ImportedFiles imports_;
  std::vector<Candidate> candidates_;
  const Terminal out_ = Terminal::out();
};

}  // namespace

int import_upstreams(const UpstreamsCommand& command) {
  const host::UpstreamConfigPlaces places = host::find_upstream_config_places(command.files);
  Result<host::ImportedFiles> imports = host::ImportedFiles::load(places.imports_file);
  if (!imports) {
    Terminal::err().write_line("pyember: " + printable(imports.error().message));
    return 1;
  }
  return Importing(command, imports.take()).run();
}

}  // namespace pyember::cli
