#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::host {

// Where held output goes that is too much for memory: one file without a name per session, made
// when it is first needed and gone with its last descriptor. Loop's thread only.
//
// Writes only append. What is released gives its blocks back to the disk (hole punching; where
// that is missing, when everything has been released).
class SpillFile {
 public:
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  SpillFile() = default;
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  // Appends; false when the disk refuses (full, no folder to write to). Nothing is kept then.
  bool append(std::string_view bytes, std::vector<Extent>& extents);
  // Appends bytes [from, from + size) of what `extents` describes to `out`; false: unreadable.
  bool read(const std::vector<Extent>& extents, std::uint64_t from, std::size_t size,
            std::string& out) const;
  void release(std::vector<Extent>& extents);

 private:
  bool open();

  int fd_ = -1;
  std::uint64_t end_ = 0;
  std::uint64_t held_ = 0;
};

}  // namespace pyember::host
