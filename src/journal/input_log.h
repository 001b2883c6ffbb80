#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pyember::journal {

struct Layout;

// What the client has sent, from the system call that read it until its lines have been dealt
// with. Bytes are read straight into it, so that none is lost when the server is killed between
// the system call and our knowing of it: bytes that are there without having been counted are
// found, because the memory behind what was read is zero. (Zeros at the end of such bytes are taken
// for memory. No message of JSON holds one.)
//
// Loop's thread only, or that of a test.
class InputLog {
 public:
  explicit InputLog(Layout& layout);

  // Where to read to: kReadChunkBytes, or nothing as long as too much is unparsed.
  std::span<char> room();
  // That many bytes were read to the beginning of room(); valid until the next call of room().
  std::string_view add(std::size_t size);

  // What was read from that position on; valid until the next call of room().
  std::string_view from(std::uint64_t position) const;

  // Positions in the stream.
  std::uint64_t read_to() const;
  std::uint64_t parsed_to() const;
  // Lines before this position need not be read again.
  void parsed(std::uint64_t position);
  // All that is unparsed belongs to a line that is too long to be kept: it is dealt with, but for
  // its beginning, until a line's end is parsed.
  void skip();

  // For the next server: counts what was read without having been counted.
  void recover();
  std::string_view unparsed() const { return from(parsed_to()); }
  std::string_view overlong_beginning() const;  // empty: none is being skipped

 private:
  char* area() const;
  std::uint64_t base() const;
  void change_area();

  Layout& layout_;
};

}  // namespace pyember::journal
