#include "host/http/gate/known_tokens.h"

#include <spdlog/spdlog.h>

#include <ctime>

#include "base/sha256.h"

namespace pyember::host {

namespace {

// As long for a wrong text as for the right one.
bool equal(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (left[i] ^ right[i]));
  }
  return difference == 0;
}

bool same(const timespec& left, const timespec& right) {
  return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

}  // namespace

// A file that is changed twice within one tick of the file system's clock looks as if it had been
// changed once: what is that young is read again.
bool KnownTokens::unchanged(const Stamp& stamp) const {
  constexpr std::time_t kYoung = 2;
  return read_ && read_->device == stamp.device && read_->file == stamp.file &&
         read_->size == stamp.size && same(read_->modified, stamp.modified) &&
         same(read_->changed, stamp.changed) && std::time(nullptr) - stamp.changed.tv_sec > kYoung;
}

void KnownTokens::look() {
  struct stat status {};
  std::optional<Stamp> stamp;
  if (::stat(file_.path().c_str(), &status) == 0) {
#ifdef __APPLE__
    const timespec modified = status.st_mtimespec, changed = status.st_ctimespec;
#else
    const timespec modified = status.st_mtim, changed = status.st_ctim;
#endif
    stamp = Stamp{status.st_dev, status.st_ino, status.st_size, modified, changed};
    if (unchanged(*stamp)) return;
  }
  read_ = stamp;
  Result<std::vector<AccessToken>> tokens = file_.read();
  const std::string problem = tokens ? std::string() : tokens.error().message;
  tokens_ = tokens ? tokens.take() : std::vector<AccessToken>();
  if (!problem.empty() && problem != problem_)
    spdlog::error("tokens_unusable reason=\"{}\"", problem);
  problem_ = problem;
}

const AccessToken* KnownTokens::find(std::string_view token, std::int64_t now) {
  look();
  const std::string hash = sha256_hex(token);
  const AccessToken* found = nullptr;
  for (const AccessToken& each : tokens_) {
    if (equal(each.hash, hash)) found = &each;
  }
  return found != nullptr && !found->expired(now) ? found : nullptr;
}

bool KnownTokens::has(std::string_view id, std::int64_t now) {
  look();
  for (const AccessToken& each : tokens_) {
    if (each.id == id) return !each.expired(now);
  }
  return false;
}

}  // namespace pyember::host
