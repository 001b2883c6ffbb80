#pragma once

#include <optional>
#include <string>

namespace pyember::host {

// The folder whose pyproject.toml or uv.toml `uv run` would heed when started in `directory`: it,
// or the nearest above it.
std::optional<std::string> find_project(const std::string& directory);

// The minor version ("3.12") that the pyproject.toml in `directory` asks for in requires-python:
// the lower bound, or else the first version named. None when .python-version says it better, or
// nothing is said.
std::optional<std::string> required_python(const std::string& directory);

// The same of a specifier: ">=3.11,<3.14" gives "3.11".
std::optional<std::string> minor_version_in(std::string_view specifier);

}  // namespace pyember::host
