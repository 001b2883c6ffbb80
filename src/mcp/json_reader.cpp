#include "base/limits.h"
#include "base/utf8.h"
#include "mcp/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

// A reader of our own, for two reasons: bounds, and speed. A text that is too deep or too wide is
// refused at the byte where it becomes so, before memory or the stack has paid for it; and code,
// which is what messages to this server consist of, is copied in runs instead of byte by byte.
//
// There is no recursion: the open containers are a list of pointers, and what may come next is one
// of five states. The fuzz target fuzz_json compares the outcome with nlohmann's.
namespace pyember::mcp {
namespace {

// Builds the value from what the reader finds, and counts.
class BoundedBuilder {
 public:
  explicit BoundedBuilder(const JsonBounds& bounds) : bounds_(bounds) {}

  bool inside_container() const { return !open_.empty(); }
  bool inside_array() const { return open_.back()->is_array(); }
  const std::string& refusal() const { return refusal_; }  // empty: no bound was hit
  Json take() { return std::move(root_); }

  bool add(Json value) { return place(std::move(value)) != nullptr; }

  bool open(Json container) {
    if (open_.size() >= bounds_.depth) {
      return refuse(fmt::format("it is nested deeper than {} levels", bounds_.depth));
    }
    Json* placed = place(std::move(container));
    if (placed != nullptr) open_.push_back(placed);
    return placed != nullptr;
  }

  void close() { open_.pop_back(); }

  bool key(std::string name) {
    auto& object = open_.back()->get_ref<Json::object_t&>();
    if (object.size() >= bounds_.members) {
      return refuse(fmt::format("an object has more than {} members", bounds_.members));
    }
    // Each key is looked up linearly: where the bound allows wide objects, they use up the values.
    values_ += object.size() / 256;
    // A growing object copies its names (they are const): most of ours have no more than four.
    if (object.empty()) object.reserve(4);
    slot_ = &object[std::move(name)];
    return true;
  }

 private:
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
    if (inside_array()) {
      auto& elements = open_.back()->get_ref<Json::array_t&>();
      elements.push_back(std::move(value));
      return &elements.back();
    }
    *slot_ = std::move(value);
    return slot_;
  }

  bool refuse(std::string reason) {
    refusal_ = std::move(reason);
    return false;
  }

  const JsonBounds& bounds_;
  Json root_;
  std::vector<Json*> open_;  // from the outermost to the innermost
  Json* slot_ = nullptr;     // where the value of the last key goes
  std::size_t values_ = 0;
  std::string refusal_;
};

class Reader {
 public:
  Reader(std::string_view text, const JsonBounds& bounds) : text_(text), builder_(bounds) {}

  Result<Json> read() {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text_.starts_with(kByteOrderMark)) position_ = kByteOrderMark.size();
    while (!finished_) {
      skip_space();
      if (!read_next()) return failure();
    }
    return builder_.take();
  }

 private:
  // What may come next.
  enum class Next { Value, FirstElement, FirstKey, Key, Separator };

  bool read_next() {
    switch (next_) {
      case Next::FirstElement:
        return ends_with(']') || read_value();
      case Next::Value:
        return read_value();
      case Next::FirstKey:
        return ends_with('}') || read_key();
      case Next::Key:
        return read_key();
      case Next::Separator:
        return read_separator();
    }
    return false;
  }

  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  void skip_space() {
    while (position_ < text_.size()) {
      const char c = text_[position_];
      if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
      ++position_;
    }
  }

  bool accept(char c) {
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  bool ends_with(char closing) {
    if (!accept(closing)) return false;
    builder_.close();
    next_ = Next::Separator;
    return true;
  }

  // After a value: the end of the text, a comma, or the end of the container.
  bool read_separator() {
    if (!builder_.inside_container()) {
      finished_ = position_ == text_.size();
      return finished_;
    }
    const bool array = builder_.inside_array();
    if (accept(',')) {
      next_ = array ? Next::Value : Next::Key;
      return true;
    }
    return ends_with(array ? ']' : '}');
  }

  bool read_key() {
    std::string name;
    if (!read_string(name)) return false;
    skip_space();
    if (!accept(':')) return false;
    next_ = Next::Value;
    return builder_.key(std::move(name));
  }

  bool read_value() {
    switch (peek()) {
      case '{':
        return open(Json::object(), Next::FirstKey);
      case '[':
        return open(Json::array(), Next::FirstElement);
      case '"':
        return read_string_value();
      case 't':
        return read_word("true", true);
      case 'f':
        return read_word("false", false);
      case 'n':
        return read_word("null", nullptr);
      default:
        return read_number();
    }
  }

  bool open(Json container, Next first) {
    ++position_;
    next_ = first;
    return builder_.open(std::move(container));
  }

  bool add(Json value) {
    next_ = Next::Separator;
    return builder_.add(std::move(value));
  }

  bool read_word(std::string_view word, Json value) {
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return add(std::move(value));
  }

  // --- strings -------------------------------------------------------------------------------

  bool read_string_value() {
    std::string value;
    return read_string(value) && add(std::move(value));
  }

  bool read_string(std::string& out) {
    if (!accept('"')) return false;
    while (position_ < text_.size()) {
      append_plain_run(out);
      if (accept('"')) return true;
      if (!accept('\\')) return false;  // a control character, broken UTF-8, or the end
      if (!read_escape(out)) return false;
    }
    return false;
  }

  void append_plain_run(std::string& out) {
    const std::size_t begin = position_;
    while (position_ < text_.size()) {
      const auto byte = static_cast<unsigned char>(text_[position_]);
      if (byte == '"' || byte == '\\' || byte < 0x20) break;
      std::size_t length = 1;
      if (byte >= 0x80) {
        const utf8::Step step = utf8::step(text_, position_);
        if (!step.valid) break;
        length = step.length;
      }
      position_ += length;
    }
    out.append(text_, begin, position_ - begin);
  }

  bool read_escape(std::string& out) {
    const char letter = peek();
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (letter == 'u') return read_unicode_escape(out);
    const std::size_t index = kLetters.find(letter);
    if (position_ >= text_.size() || index == std::string_view::npos) return false;
    ++position_;
    out += kMeanings[index];
    return true;
  }

  bool read_unicode_escape(std::string& out) {
    std::uint32_t unit = 0;
    if (!read_hex(unit)) return false;
    if (unit >= 0xDC00 && unit < 0xE000) return false;  // the second half of a pair alone
    if (unit >= 0xD800 && unit < 0xDC00) {
      std::uint32_t low = 0;
      if (!accept('\\') || !read_hex(low) || low < 0xDC00 || low >= 0xE000) return false;
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    append_character(out, unit);
    return true;
  }

  // u and four hexadecimal digits.
  bool read_hex(std::uint32_t& unit) {
    constexpr std::size_t kDigits = 4;
    if (!accept('u') || text_.size() - position_ < kDigits) return false;
    const char* const begin = text_.data() + position_;
    const auto parsed = std::from_chars(begin, begin + kDigits, unit, 16);
    if (parsed.ptr != begin + kDigits) return false;
    position_ += kDigits;
    return true;
  }

  static void append_character(std::string& out, std::uint32_t code) {
    const auto continuation = [](std::uint32_t bits) {
      return static_cast<char>(0x80 | (bits & 63));
    };
    if (code < 0x80) {
      out += static_cast<char>(code);
      return;
    }
    if (code < 0x800) {
      out += static_cast<char>(0xC0 | (code >> 6));
    } else {
      if (code < 0x10000) {
        out += static_cast<char>(0xE0 | (code >> 12));
      } else {
        out += static_cast<char>(0xF0 | (code >> 18));
        out += continuation(code >> 12);
      }
      out += continuation(code >> 6);
    }
    out += continuation(code);
  }

  // --- numbers -------------------------------------------------------------------------------

  std::size_t count_digits() {
    const std::size_t begin = position_;
    while (peek() >= '0' && peek() <= '9') ++position_;
    return position_ - begin;
  }

  // Checks JSON's grammar, which is stricter than that of the conversions below.
  bool skip_number(bool& integer) {
    accept('-');
    const bool zero = peek() == '0';
    const std::size_t digits = count_digits();
    if (digits == 0 || (zero && digits > 1)) return false;
    integer = true;
    if (accept('.')) {
      integer = false;
      if (count_digits() == 0) return false;
    }
    if (accept('e') || accept('E')) {
      integer = false;
      if (!accept('+')) accept('-');
      if (count_digits() == 0) return false;
    }
    return true;
  }

  bool read_number() {
    const std::size_t begin = position_;
    bool integer = false;
    if (!skip_number(integer)) return false;
    const std::string_view digits = text_.substr(begin, position_ - begin);
    if (integer && digits.front() != '-') {
      if (std::uint64_t value = 0; converts(digits, value)) return add(value);
    } else if (integer) {
      if (std::int64_t value = 0; converts(digits, value)) return add(value);
    }
    return read_double(std::string(digits));
  }

  template <typename Number>
  static bool converts(std::string_view digits, Number& value) {
    return std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc();
  }

  bool read_double(const std::string& digits) {
    double value = 0;
    if (!converts(digits, value)) value = std::strtod(digits.c_str(), nullptr);  // rounds to zero
    return std::isfinite(value) && add(value);
  }

  // --- failure -------------------------------------------------------------------------------

  Error failure() const {
    if (!builder_.refusal().empty()) return {ErrorCode::LimitReached, builder_.refusal()};
    return {ErrorCode::InvalidArgument,
            fmt::format("it stops being valid JSON at byte {}", position_ + 1)};
  }

  const std::string_view text_;
  std::size_t position_ = 0;
  BoundedBuilder builder_;
  Next next_ = Next::Value;
  bool finished_ = false;
};

}  // namespace

JsonBounds JsonBounds::standard() {
  return {limits::kMaximumJsonDepth, limits::kMaximumJsonMembers, limits::kMaximumJsonValues};
}

Result<Json> parse_json(std::string_view text, const JsonBounds& bounds) {
  return Reader(text, bounds).read();
}

}  // namespace pyember::mcp
