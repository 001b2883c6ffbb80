#include "host/upstream/http_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

namespace pyember::host {

namespace {

#ifdef __APPLE__
constexpr const char* kNames[] = {"libcurl.4.dylib"};
#else
constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
#endif

Error missing(const std::string& why) {
  return {ErrorCode::Unavailable,
          fmt::format("MCP servers can't be reached over HTTP: libcurl, which does it, can't be "
                      "loaded ({}). Install it (Debian, Ubuntu: apt install libcurl4; Fedora: dnf "
                      "install libcurl; macOS has it) and call again.",
                      why)};
}

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

bool find_all(void* library, HttpLibrary& found) {
  return find(library, "curl_global_init", found.global_init) &&
         find(library, "curl_easy_init", found.easy_init) &&
         find(library, "curl_easy_setopt", found.easy_setopt) &&
         find(library, "curl_easy_getinfo", found.easy_getinfo) &&
         find(library, "curl_easy_cleanup", found.easy_cleanup) &&
         find(library, "curl_easy_strerror", found.easy_strerror) &&
         find(library, "curl_multi_init", found.multi_init) &&
         find(library, "curl_multi_setopt", found.multi_setopt) &&
         find(library, "curl_multi_cleanup", found.multi_cleanup) &&
         find(library, "curl_multi_add_handle", found.multi_add_handle) &&
         find(library, "curl_multi_remove_handle", found.multi_remove_handle) &&
         find(library, "curl_multi_socket_action", found.multi_socket_action) &&
         find(library, "curl_multi_info_read", found.multi_info_read) &&
         find(library, "curl_multi_assign", found.multi_assign) &&
         find(library, "curl_slist_append", found.slist_append) &&
         find(library, "curl_slist_free_all", found.slist_free_all) &&
         find(library, "curl_url", found.url) && find(library, "curl_url_set", found.url_set) &&
         find(library, "curl_url_get", found.url_get) &&
         find(library, "curl_url_cleanup", found.url_cleanup) &&
         find(library, "curl_free", found.free);
}

Result<HttpLibrary> load() {
  std::string why;
  for (const char* name : kNames) {
    void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      if (why.empty()) why = dlerror();
      continue;
    }
    HttpLibrary found{};
    if (!find_all(library, found)) {
      why = fmt::format("{} is too old: 7.62 is wanted, or newer", name);
    } else if (found.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
      why = fmt::format("{} could not set itself up", name);
    } else {
      return found;
    }
  }
  return missing(why);
}

}  // namespace

const Result<HttpLibrary>& http_library() {
  static const Result<HttpLibrary> library = load();
  return library;
}

}  // namespace pyember::host
