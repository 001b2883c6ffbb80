#pragma once

#include <Python.h>

namespace pyember::embed {

// A C trace function (PyEval_SetTrace): raises KeyboardInterrupt at every line and call of user
// code on the session's own thread, as long as its cell must stop. Frames of the session runtime
// are spared, so that it can unwind.
int raise_in_user_code(PyObject*, PyFrameObject* frame, int what, PyObject*);

}  // namespace pyember::embed
