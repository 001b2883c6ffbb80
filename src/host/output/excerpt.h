#pragma once

#include <cstddef>
#include <string>

#include "host/output/output_store.h"

namespace pyember::host {

// What an answer shows of a cell's output: all of it when it fits the budget, else the beginning
// and the end of each stream with the number of characters left out and where to read them.
struct Excerpt {
  std::string stdout_text;
  std::string stderr_text;
  bool stdout_cut = false;
  bool stderr_cut = false;

  bool cut() const { return stdout_cut || stderr_cut; }
};

// `budget` is in characters and for both streams together; a stream that needs less than half of
// it leaves the rest to the other. `output` null: nothing was written.
Excerpt make_excerpt(const CellOutput* output, const std::string& session, embed::CellNumber number,
                     std::size_t budget);

// The URI under which a stream of a cell can be read: session-output://{session}/{cell}/{stream}.
std::string output_uri(const std::string& session, embed::CellNumber number, Stream stream);

}  // namespace pyember::host
