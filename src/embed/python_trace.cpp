#include "embed/python_trace.h"

#include <string_view>

#include "embed/attached.h"
#include "embed/session_slot.h"
#include "embed/session_thread.h"

namespace pyember::embed {

namespace {

bool is_runtime_frame(PyFrameObject* frame, std::string_view runtime_directory) {
  const Reference code(reinterpret_cast<PyObject*>(PyFrame_GetCode(frame)));
  PyObject* filename = reinterpret_cast<PyCodeObject*>(code.get())->co_filename;
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(filename, &size);
  if (!text) {
    PyErr_Clear();
    return false;
  }
  return std::string_view(text, static_cast<std::size_t>(size))
             .substr(0, runtime_directory.size()) == runtime_directory;
}

}  // namespace

int raise_in_user_code(PyObject*, PyFrameObject* frame, int what, PyObject*) {
  if (what != PyTrace_LINE && what != PyTrace_CALL) return 0;
  if (!on_session_thread()) return 0;
  const SessionThread* thread = SessionThread::current();
  if (!thread || !thread->must_stop()) return 0;
  if (is_runtime_frame(frame, thread->options().runtime_directory)) return 0;
  PyErr_SetNone(PyExc_KeyboardInterrupt);
  return -1;
}

}  // namespace pyember::embed
