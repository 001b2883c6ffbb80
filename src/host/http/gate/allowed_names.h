#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Under which names a server may be addressed, and from which pages: what keeps a web page from
// reaching a server on its visitor's machine by a name of its own (DNS rebinding).
namespace pyember::host {

// "localhost:8080", taken apart.
struct HostName {
  std::string name;  // lower case; of IPv6 with brackets
  std::string port;  // empty: none was written

  bool operator==(const HostName&) const = default;
};

// Nullopt: it is no name with or without a port.
std::optional<HostName> parse_host_name(std::string_view text);

bool is_loopback_name(std::string_view name);  // localhost, 127.0.0.1, [::1]

class AllowedNames {
 public:
  // `hosts` are names with a port, or without: then with every port. `origins` are origins as
  // browsers send them. Both must be valid. This machine's own names are always allowed, and so are
  // pages under allowed names.
  AllowedNames(const std::vector<std::string>& hosts, const std::vector<std::string>& origins);

  bool allows_host(std::string_view host) const;
  bool allows_origin(std::string_view origin) const;
  // Named by the user, so that its pages may read answers: not only a name of this machine.
  bool names_origin(std::string_view origin) const;

 private:
  bool allows(const HostName& host) const;

  std::vector<HostName> hosts_;
  std::vector<std::string> origins_;
};

// "https://app.example:8443": a scheme, a name and a port, and nothing behind them.
bool is_origin(std::string_view text);

}  // namespace pyember::host
