#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/upstream/config/definition.h"
#include "host/upstream/tools/tool_description.h"

namespace pyember::host {

// What is known of the tools of all configured upstreams, without starting any: what they said
// last, kept in files, one for each fingerprint, that later servers read too. Loop's thread only.
//
// A file is read when its upstream is first asked about, and is nobody's word: one that can't be
// read, is too large or is no list counts as missing. Files are written whole and by rename, mode
// 0600. No secret is in them: they hold what tools/list answered.
class ToolStore {
 public:
  // Does the work given to it on a thread of the pool, or at once (tests). Of two writes of one
  // file that overlap either may be the one that stays: what is wrong then is put right when the
  // upstream starts the next time.
  using Background = std::function<void(std::function<void()>)>;

  // `folder` is made when it is first written to.
  ToolStore(std::string folder, std::vector<UpstreamDefinition> definitions, Background background);
  ~ToolStore();
  ToolStore(const ToolStore&) = delete;
  ToolStore& operator=(const ToolStore&) = delete;

  // What an upstream answered to tools/list, and how long its start took, when that is known.
  // Written to its file unless it says what that says.
  SharedTools put(const UpstreamDefinition& definition, const mcp::Json& tools,
                  std::optional<double> start_seconds = std::nullopt);

  // By name or alias; null: no such upstream, or nothing is known of its tools.
  SharedTools find(std::string_view server);
  std::vector<SharedTools> all();  // in the order of the configuration
  // How long the upstream's start took when it was last told, in seconds.
  std::optional<double> start_seconds(std::string_view server);

  // Configured upstreams nothing is known of: a search doesn't see them until they were started.
  std::vector<std::string> unknown();

  // Another number after each change: what was made from all() is stale then.
  std::uint64_t version() const { return version_; }

 private:
  struct Place {
    UpstreamDefinition definition;
    SharedTools tools = nullptr;
    std::optional<double> start_seconds = std::nullopt;
    bool read = false;  // the file was looked at
  };

  Place* place_of(std::string_view server);
  std::string file_of(const std::string& fingerprint) const;
  void read(Place& place);
  void write(const Place& place);

  const std::string folder_;
  const Background background_;
  std::vector<Place> places_;
  std::uint64_t version_ = 1;
};

}  // namespace pyember::host
