#include "host/http/http_module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>
#include <utility>

#include "host/options.h"

namespace pyember::host {

namespace {

constexpr const char* kVersion = "pyember_http_version";
constexpr const char* kMakeTransport = "pyember_make_http_transport";

// The module's own libraries come before the program's, whose read() and pthread_create() are for
// sessions. A sanitizer must see them all.
#if defined(PYEMBER_SANITIZED) || !defined(RTLD_DEEPBIND)
constexpr int kHow = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kHow = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

Error not_to_be_had(const std::string& why, const std::string& advice) {
  return {ErrorCode::Unavailable,
          fmt::format("HTTP can't be served: {}. {} Over stdin and stdout (without --transport "
                      "http) the server works all the same.",
                      why, advice)};
}

Error missing() {
#ifdef __linux__
  return not_to_be_had(
      "the module pyember-http.so is neither beside the program nor in lib/pyember",
      "Install pyember again, or name the module in PYEMBER_HTTP_MODULE.");
#else
  return not_to_be_had("that needs Linux's epoll", "Serve HTTP on Linux.");
#endif
}

Error not_loaded(const std::string& path) {
  const char* const why = dlerror();
  return not_to_be_had(
      fmt::format("{} can't be loaded ({})", path, why == nullptr ? "no reason given" : why),
      "Install the libraries it needs (Debian, Ubuntu: apt install libmicrohttpd12 libcjose0; "
      "Fedora: dnf install libmicrohttpd cjose).");
}

Error of_another_version(const std::string& path, const std::string& version) {
  return not_to_be_had(
      fmt::format("{} belongs to pyember {}, and this is {}", path, version, PYEMBER_VERSION),
      "Install pyember again.");
}

}  // namespace

Result<HttpModule> HttpModule::load() {
  const std::string path = find_http_module();
  if (path.empty()) return missing();
  void* const library = dlopen(path.c_str(), kHow);
  if (library == nullptr) return not_loaded(path);
  const auto version = reinterpret_cast<const char* (*)()>(dlsym(library, kVersion));
  const auto make = reinterpret_cast<MakeTransport>(dlsym(library, kMakeTransport));
  const auto read = reinterpret_cast<ReadPublicKey>(dlsym(library, kReadPublicKey));
  if (version == nullptr || make == nullptr || read == nullptr) return not_loaded(path);
  if (std::string(version()) != PYEMBER_VERSION) return of_another_version(path, version());
  return HttpModule(make, read);
}

Result<std::unique_ptr<HttpTransport>> HttpModule::make_transport(
    EventLoop& loop, HttpListen listen, HttpTransport::Handler handler) const {
  MadeTransport made;
  make_transport_(made, loop, std::move(listen), std::move(handler));
  return std::move(*made);
}

}  // namespace pyember::host
