#include "http_module/response.h"

#include <utility>

namespace pyember::http_module {

ResponsePtr whole_response(std::string&& body) {
  auto holder = std::make_unique<std::string>(std::move(body));
  ResponsePtr made(MHD_create_response_from_buffer_with_free_callback_cls(
      holder->size(), holder->data(), [](void* held) { delete static_cast<std::string*>(held); },
      holder.get()));
  if (made) static_cast<void>(holder.release());
  return made;
}

ResponsePtr refusal(const std::string& why) {
  ResponsePtr made = whole_response(why + "\n");
  if (!made) return made;
  add_fields(*made, {{"Content-Type", "text/plain; charset=utf-8"}});
  close_afterwards(*made);
  return made;
}

void add_fields(MHD_Response& response, const mcp::HttpFields& fields) {
  for (const mcp::HttpField& field : fields) {
    MHD_add_response_header(&response, field.name.c_str(), field.value.c_str());
  }
}

void close_afterwards(MHD_Response& response) {
  MHD_add_response_header(&response, MHD_HTTP_HEADER_CONNECTION, "close");
}

}  // namespace pyember::http_module
