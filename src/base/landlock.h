#pragma once

#include <cstdint>

// Landlock's interface, which the headers of the build machine may be too old for
// (Documentation/userspace-api/landlock.rst); the numbers are the same on every architecture.
namespace pyember::landlock {

// System calls. CreateRuleset with a null pointer, 0 and kAskVersion answers the version, or -1.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;

constexpr std::uint32_t kAskVersion = 1;
constexpr int kPathBeneath = 1;  // the kind of a rule

constexpr int kVersionWithTruncate = 3;  // Linux 6.2; before, every file could still be emptied
constexpr int kVersionWithNetwork = 4;
constexpr int kVersionWithDevices = 5;
constexpr int kVersionWithScopes = 6;

// A kernel takes as many of the fields as it knows, by the size that it is given.
struct RulesetAttributes {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scoped = 0;
};

struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed = 0;
  std::int32_t place = -1;  // a descriptor
};

// What may be done with files.
enum : std::uint64_t {
  Execute = 1ull << 0,
  WriteFile = 1ull << 1,
  ReadFile = 1ull << 2,
  ReadDirectory = 1ull << 3,
  RemoveDirectory = 1ull << 4,
  RemoveFile = 1ull << 5,
  MakeCharacterDevice = 1ull << 6,
  MakeDirectory = 1ull << 7,
  MakeRegularFile = 1ull << 8,
  MakeSocket = 1ull << 9,
  MakeFifo = 1ull << 10,
  MakeBlockDevice = 1ull << 11,
  MakeSymbolicLink = 1ull << 12,
  Refer = 1ull << 13,          // rename and link from one folder to another; version 2
  Truncate = 1ull << 14,       // version 3
  ControlDevice = 1ull << 15,  // version 5
};

}  // namespace pyember::landlock
