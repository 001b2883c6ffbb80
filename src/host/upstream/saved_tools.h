#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pyember::host {

// The functions that code has saved for later sessions: one Python file, user_tools.py, that people
// may read and write too. It is never executed here: what is a function is the session's to say;
// here only the text is kept, each function between two lines that name it. Loop's thread only.
class SavedTools {
 public:
  // The folder is made when the first one is saved. Empty: nothing can be saved.
  explicit SavedTools(std::string folder) : folder_(std::move(folder)) {}

  struct Content {
    std::string source;              // of the whole file; empty: there is none
    std::vector<std::string> names;  // of the saved functions, in order
  };
  // What is there now. An error: the file can't be read, or is larger than
  // limits::kSavedToolsBytes.
  Result<Content> read() const;

  // Adds a function, or replaces the one of that name. `source` is that of one function, beginning
  // with `def`, `async def` or a decorator. The file is replaced at once, and whole.
  Result<void> save(std::string_view name, std::string_view source) const;
  // An error: there is none of that name.
  Result<void> remove(std::string_view name) const;

  std::string path() const;

 private:
  Result<void> write(const std::string& text) const;

  const std::string folder_;
};

}  // namespace pyember::host
