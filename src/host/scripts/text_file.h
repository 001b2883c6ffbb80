#pragma once

#include <string>

#include "base/result.h"

namespace pyember::host {

// Small files, read and written whole. Errors have three parts and name the path.
Result<std::string> read_text_file(const std::string& path, std::size_t maximum_bytes);

// By rename, so that nobody ever sees half of it. Mode 0600 unless `mode` says otherwise.
Result<void> write_text_file(const std::string& path, std::string_view text, unsigned mode = 0600);

// With its parents. An error when it is not there afterwards.
Result<void> make_folder(const std::string& path);

bool is_regular_file(const std::string& path);
bool is_directory(const std::string& path);

// Absolute, without "." and ".."; `~` is the home folder; relative to `base`. Links stay.
std::string resolved_path(const std::string& path, const std::string& base);
std::string working_directory();

}  // namespace pyember::host
