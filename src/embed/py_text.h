#pragma once

#include <Python.h>

#include <string>
#include <string_view>

#include "embed/attached.h"

// Python strings and exceptions -> plain values, while attached.
namespace pyember::embed {

// UTF-8 of a str; lone surrogates become "?". Empty for anything that is no str.
std::string text_of(const Attached&, PyObject* object);

Reference to_str(const Attached&, std::string_view utf8);

// Takes the exception that is set and describes it in one line. For failures of our own runtime,
// not for errors of user code (the runtime formats those).
std::string describe_and_clear_error(const Attached&);

}  // namespace pyember::embed
