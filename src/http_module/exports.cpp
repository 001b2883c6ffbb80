#include <utility>

#include "host/http/http_module.h"
#include "http_module/http_server.h"

// What the program finds in the module by name, beside public_key.cpp's.

extern "C" __attribute__((visibility("default"))) const char* pyember_http_version() {
  return PYEMBER_VERSION;
}

extern "C" __attribute__((visibility("default"))) void pyember_make_http_transport(
    pyember::host::MadeTransport& made, pyember::host::EventLoop& loop,
    pyember::host::HttpListen&& listen, pyember::host::HttpTransport::Handler&& handler) {
  made.emplace(pyember::http_module::HttpServer::make(loop, std::move(listen), std::move(handler)));
}
