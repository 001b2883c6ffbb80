#include "mcp/json.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/limits.h"

// The parser is nlohmann's SAX reader (which keeps its own stack on the heap) with a handler that
// builds the value and counts while it does: a text that is too deep or too wide is refused at the
// point where it becomes so, before memory or the stack has paid for it.
namespace pyember::mcp {
namespace {

class BoundedBuilder {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  explicit BoundedBuilder(const JsonBounds& bounds) : bounds_(bounds) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(number_integer_t value) { return add(value); }
  bool number_unsigned(number_unsigned_t value) { return add(value); }
  bool number_float(number_float_t value, const string_t&) { return add(value); }
  bool string(string_t& value) { return add(std::move(value)); }
  bool binary(binary_t&) { return false; }  // JSON text has none

  bool start_object(std::size_t) { return open(Json::object()); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    Json& object = *open_.back();
    if (object.size() >= bounds_.members) {
      return refuse(fmt::format("an object has more than {} members", bounds_.members));
    }
    slot_ = &object[std::move(name)];
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) {
    error_ = Error{ErrorCode::InvalidArgument,
                   fmt::format("it stops being valid JSON at byte {}", position)};
    return false;
  }

  Result<Json> take(bool parsed) {
    if (!parsed) return std::move(error_);
    return std::move(root_);
  }

 private:
  bool add(Json value) { return place(std::move(value)) != nullptr; }

  bool open(Json container) {
    if (open_.size() >= bounds_.depth) {
      return refuse(fmt::format("it is nested deeper than {} levels", bounds_.depth));
    }
    Json* placed = place(std::move(container));
    if (placed != nullptr) open_.push_back(placed);
    return placed != nullptr;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  // Pointers into containers stay good: only the innermost open container grows.
  Json* place(Json value) {
    if (++values_ > bounds_.values) {
      refuse(fmt::format("it holds more than {} values", bounds_.values));
      return nullptr;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      auto& elements = parent.get_ref<Json::array_t&>();
      elements.push_back(std::move(value));
      return &elements.back();
    }
    *slot_ = std::move(value);
    return slot_;
  }

  bool refuse(std::string reason) {
    error_ = Error{ErrorCode::LimitReached, std::move(reason)};
    return false;
  }

  const JsonBounds& bounds_;
  Json root_;
  std::vector<Json*> open_;  // from the outermost to the innermost
  Json* slot_ = nullptr;     // where the value of the last key goes
  std::size_t values_ = 0;
  Error error_;
};

}  // namespace

JsonBounds JsonBounds::standard() {
  return {limits::kMaximumJsonDepth, limits::kMaximumJsonMembers, limits::kMaximumJsonValues};
}

Result<Json> parse_json(std::string_view text, const JsonBounds& bounds) {
  BoundedBuilder builder(bounds);
  const bool parsed = Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take(parsed);
}

}  // namespace pyember::mcp
