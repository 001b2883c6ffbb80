#pragma once

#include <string_view>

// The views as single HTML documents, made of the files in views/ when the program is built
// (cmake/EmbeddedViews.cmake).
namespace pyember::host {

extern const std::string_view kJobView;
extern const std::string_view kBenchmarkView;

}  // namespace pyember::host
