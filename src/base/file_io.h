#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pyember {

// All of it, however often the system takes a part. False, with errno: an error.
bool write_all(int fd, std::string_view bytes);

// Up to `size` bytes from `offset` on, without moving the file's position; less when it ends before
// or can't be read.
std::string read_at(int fd, std::uint64_t offset, std::size_t size);

}  // namespace pyember
