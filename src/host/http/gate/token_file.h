#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pyember::host {

// A token that lets its bearer in, without the token itself: only its hash is kept.
struct AccessToken {
  std::string id;    // what people call it by: 8 hexadecimal digits
  std::string name;  // whose it is; several tokens may be one's
  std::string hash;  // sha256_hex() of the token, which has 256 random bits
  std::vector<std::string> scopes;
  std::int64_t created_at = 0;  // seconds since 1970
  std::int64_t expires_at = 0;  // the same; 0: never

  bool expired(std::int64_t now) const { return expires_at != 0 && now >= expires_at; }
};

// What every token begins with, so that one that leaks is recognised for what it is.
inline constexpr std::string_view kTokenMark = "pye_";

std::string make_token();

// Whether a caller may be called so: 1 to limits::kCallerNameBytes of letters, digits and . _ @ -
bool is_caller_name(std::string_view name);

// The file of tokens that `pyember tokens` writes and the server reads. It belongs to one user, and
// who else can read or write it makes it unusable. Any thread.
class TokenFile {
 public:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}

  // NotFound: there is no file. Else why it can't be used, in three parts.
  Result<std::vector<AccessToken>> read() const;

  // Reads, changes and writes it, with no other process in between. What is not there yet is made,
  // with its folder. When `change` fails nothing is written.
  using Change = std::function<Result<void>(std::vector<AccessToken>&)>;
  Result<void> change(const Change& change) const;

  const std::string& path() const { return path_; }

 private:
  Result<void> write(const std::vector<AccessToken>& tokens) const;

  const std::string path_;
};

}  // namespace pyember::host
