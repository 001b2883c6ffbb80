#pragma once

#include <microhttpd.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pyember::http_module {

// The fields of a request's head. They lie in libmicrohttpd's memory for as long as the request has
// no response.
class RequestHead {
 public:
  void read(MHD_Connection& connection);
  void forget();  // that memory is gone

  // Several of one name are joined with ", ".
  std::optional<std::string_view> find(std::string_view name);
  std::size_t count(std::string_view name) const;
  bool is_well_formed() const;  // names are tokens, values without control characters

 private:
  std::vector<std::pair<std::string_view, std::string_view>> fields_;
  std::deque<std::string> joined_;  // keeps its strings where they are
};

struct RequestTarget {
  std::string path;
  std::string query;
  std::string authority;  // where the target was a whole URL
};

// Of a request's first line: "/mcp?a=b", or with "http://host" before it (RFC 9112, 3.2).
RequestTarget parse_target(std::string_view target);

struct RequestLine {
  std::string_view method;
  const RequestTarget& target;
  std::string_view version;  // "HTTP/1.1"
};

// Why a request with such a head is refused, and by which status: what is no HTTP though
// libmicrohttpd takes it, and what two readers of HTTP may take for different requests (RFC 9112,
// 3.2, 5.1 and 6.1). Nullopt: it is not.
struct HeadRefusal {
  int status = 0;
  std::string why;
};
std::optional<HeadRefusal> refuse_head(RequestHead& head, const RequestLine& line);

// What Content-Length says; libmicrohttpd has checked that it is a number. Nullopt: there is none.
std::optional<std::uint64_t> content_length(RequestHead& head);

}  // namespace pyember::http_module
