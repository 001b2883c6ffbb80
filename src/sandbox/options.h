#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/failure.h"

namespace pyember::sandbox {

// A file system in memory that is mounted already: nothing in it can be executed.
struct PrivateFolder {
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  mode_t mode = 0;
};

struct TextFile {
  std::string path;
  std::string text;
};

struct ResourceLimit {
  decltype(RLIMIT_AS) resource;
  rlim_t value = 0;
};

struct User {
  uid_t user = 0;
  gid_t group = 0;
};

// The command line, in the order in which things are done, whatever their order there.
struct Options {
  std::vector<std::string> groups;             // --join DIRECTORY
  int own_end = -1;                            // --show-own-end DESCRIPTOR
  bool outlast_term = false;                   // --outlast-term: SIGTERM ends the program alone
  std::vector<PrivateFolder> private_folders;  // --private PATH:BYTES:INODES:MODE
  std::vector<TextFile> texts;                 // --text PATH TEXT
  std::vector<std::string> owned;              // --own PATH: owned_folder.h
  bool read_only_root = false;                 // --read-only-root
  std::vector<ResourceLimit> limits;           // --limit NAME=N
  std::optional<User> user;                    // --user UID:GID
  std::optional<rlim_t> processes;             // --processes N
  std::string working_directory;               // --chdir PATH
  std::vector<std::string> may_read;           // --may-read PATH: and execute
  std::vector<std::string> may_change;         // --may-change PATH: and read
  bool confine = false;                        // --confine DESCRIPTOR
  int filter = -1;                             //   … of a seccomp program
  int end_with = -1;                           // --first-process DESCRIPTOR
  std::string variables;                       // --variables PREFIX: variables.h
  bool tell_version = false;                   // --version
  char** program = nullptr;                    // -- PROGRAM [ARGUMENT...]
};

Failure parse(char** arguments, Options& options);

}  // namespace pyember::sandbox
