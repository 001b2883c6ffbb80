#pragma once

#include <curl/curl.h>

#include "base/result.h"

namespace pyember::host {

// What we use of libcurl, under the names it has there without "curl_".
//
// The library is loaded when the first upstream is reached over HTTP, and not linked: with the
// thirty libraries it brings along it costs a start 3 ms and 8 MB, which a server without such
// upstreams shall not pay; and loaded like this, its OpenSSL is out of the way of the one that
// Python's packages bring.
struct HttpLibrary {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_multi_init) multi_init;
  decltype(&curl_multi_setopt) multi_setopt;
  decltype(&curl_multi_cleanup) multi_cleanup;
  decltype(&curl_multi_add_handle) multi_add_handle;
  decltype(&curl_multi_remove_handle) multi_remove_handle;
  decltype(&curl_multi_socket_action) multi_socket_action;
  decltype(&curl_multi_info_read) multi_info_read;
  decltype(&curl_multi_assign) multi_assign;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
  decltype(&curl_url) url;
  decltype(&curl_url_set) url_set;
  decltype(&curl_url_get) url_get;
  decltype(&curl_url_cleanup) url_cleanup;
  decltype(&curl_free) free;
};

// Loads it at the first call, on whatever thread that is, and keeps it for good. The error
// (Unavailable) says what to install.
const Result<HttpLibrary>& http_library();

}  // namespace pyember::host
