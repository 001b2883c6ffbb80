#pragma once

#include <microhttpd.h>

#include <memory>
#include <string>

#include "mcp/http/exchange.h"

// Responses of libmicrohttpd.
namespace pyember::http_module {

struct ResponseRelease {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};
// A reference to a response; a connection it is queued to holds one of its own.
using ResponsePtr = std::unique_ptr<MHD_Response, ResponseRelease>;

// A response whose body is there; null: no memory.
ResponsePtr whole_response(std::string&& body);
// One of ours: why a request is not handed on. The connection is closed after it.
ResponsePtr refusal(const std::string& why);

// What can't stand in a head (a line's end in a value) is left out.
void add_fields(MHD_Response& response, const mcp::HttpFields& fields);
void close_afterwards(MHD_Response& response);

}  // namespace pyember::http_module
