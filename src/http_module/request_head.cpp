#include "http_module/request_head.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace pyember::http_module {

namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_blank(char letter) { return letter == ' ' || letter == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// What names of fields and methods are made of (RFC 9110, 5.6.2).
bool is_of_token(char letter) {
  const bool alphanumeric = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                            (letter >= 'A' && letter <= 'Z');
  return alphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(letter) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_of_token);
}

bool is_control(char letter) {
  return static_cast<unsigned char>(letter) < ' ' || letter == '\x7f';
}

bool is_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char letter) { return is_control(letter) && letter != '\t'; });
}

bool is_target(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char letter) { return is_control(letter) || letter == ' '; });
}

std::string_view without_scheme(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (same_name(target.substr(0, scheme.size()), scheme)) return target.substr(scheme.size());
  }
  return {};
}

}  // namespace

void RequestHead::read(MHD_Connection& connection) {
  MHD_get_connection_values_n(
      &connection, MHD_HEADER_KIND,
      [](void* fields, MHD_ValueKind, const char* name, std::size_t name_size, const char* value,
         std::size_t value_size) {
        const std::string_view text =
            value == nullptr ? std::string_view() : std::string_view(value, value_size);
        static_cast<decltype(fields_)*>(fields)->emplace_back(std::string_view(name, name_size),
                                                              trimmed(text));
        return MHD_YES;
      },
      &fields_);
}

void RequestHead::forget() {
  fields_.clear();
  joined_.clear();
}

std::optional<std::string_view> RequestHead::find(std::string_view name) {
  std::optional<std::string_view> found;
  std::string* joined = nullptr;
  for (const auto& [each, value] : fields_) {
    if (!same_name(each, name)) continue;
    if (!found) {
      found = value;
      continue;
    }
    if (joined == nullptr) joined = &joined_.emplace_back(*found);
    joined->append(", ").append(value);
  }
  if (joined != nullptr) return *joined;
  return found;
}

std::size_t RequestHead::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(fields_.begin(), fields_.end(),
                    [name](const auto& field) { return same_name(field.first, name); }));
}

bool RequestHead::is_well_formed() const {
  return std::all_of(fields_.begin(), fields_.end(), [](const auto& field) {
    return is_token(field.first) && is_value(field.second);
  });
}

RequestTarget parse_target(std::string_view target) {
  RequestTarget parts;
  if (const std::string_view rest = without_scheme(target); !rest.empty()) {
    const std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
    parts.authority = rest.substr(0, slash);
    target = rest.substr(slash);
  }
  const std::size_t mark = target.find('?');
  parts.path = target.substr(0, mark);
  if (mark != std::string_view::npos) parts.query = target.substr(mark + 1);
  if (parts.path.empty()) parts.path = "/";
  return parts;
}

std::optional<HeadRefusal> refuse_head(RequestHead& head, const RequestLine& line) {
  constexpr int kBad = MHD_HTTP_BAD_REQUEST;
  const RequestTarget& target = line.target;
  if (!is_token(line.method) || !is_target(target.path) || !is_target(target.query)) {
    return HeadRefusal{kBad, "The request's first line is malformed."};
  }
  if (!head.is_well_formed()) return HeadRefusal{kBad, "A field of the head is malformed."};
  if (head.count("Host") > 1) return HeadRefusal{kBad, "Host is given more than once."};
  if (head.count("Host") == 0 && line.version != MHD_HTTP_VERSION_1_0) {
    return HeadRefusal{kBad, "Host is missing."};
  }
  if (!target.authority.empty() && head.find("Host") != target.authority) {
    return HeadRefusal{kBad, "The request's URL and its Host name different hosts."};
  }
  if (head.count("Content-Length") > 1) {
    return HeadRefusal{kBad, "Content-Length is given more than once."};
  }
  const std::optional<std::string_view> coding = head.find("Transfer-Encoding");
  if (!coding) return std::nullopt;
  if (head.count("Content-Length") > 0) {
    return HeadRefusal{kBad, "Content-Length and Transfer-Encoding exclude each other."};
  }
  if (same_name(*coding, "chunked")) return std::nullopt;
  return HeadRefusal{MHD_HTTP_NOT_IMPLEMENTED,
                     "Of transfer codings only \"chunked\" is understood here."};
}

std::optional<std::uint64_t> content_length(RequestHead& head) {
  const std::optional<std::string_view> text = head.find("Content-Length");
  if (!text) return std::nullopt;
  std::uint64_t bytes = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), bytes);
  if (read.ec != std::errc()) return UINT64_MAX;
  return bytes;
}

}  // namespace pyember::http_module
