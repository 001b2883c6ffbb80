#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/http/gate/token_file.h"

namespace pyember::host {

// The tokens a server takes: those of its file, which is read again when it has changed. A file
// that has gone or can't be used lets nobody in; the log says so once. Loop's thread only.
class KnownTokens {
 public:
  explicit KnownTokens(std::string path) : file_(std::move(path)) {}

  // The one this is, unless it has expired; null: none. It takes the same time whichever it is.
  const AccessToken* find(std::string_view token, std::int64_t now);
  // Whether the one with this id is still there, and has not expired.
  bool has(std::string_view id, std::int64_t now);

 private:
  struct Stamp {
    dev_t device;
    ino_t file;
    off_t size;
    timespec modified, changed;
  };

  void look();
  bool unchanged(const Stamp& stamp) const;

  const TokenFile file_;
  std::vector<AccessToken> tokens_;
  std::optional<Stamp> read_;  // of what tokens_ was read from
  std::string problem_;        // the one the log was told of
};

}  // namespace pyember::host
