#pragma once

#include <Python.h>

// The token that proves that the calling thread holds an interpreter's GIL. Functions that touch
// Python take it by const reference. Stack only. Nothing may block or take a lock while it lives,
// except what docs/threads.md lists.
namespace pyember::embed {

class Attached {
 public:
  explicit Attached(PyThreadState* thread_state) { PyEval_RestoreThread(thread_state); }
  ~Attached() { PyEval_SaveThread(); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;
};

// An owned reference, dropped while attached.
class Reference {
 public:
  Reference() = default;
  explicit Reference(PyObject* object) : object_(object) {}
  ~Reference() { Py_XDECREF(object_); }
  Reference(Reference&& other) noexcept : object_(other.release()) {}
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;

  PyObject* get() const { return object_; }
  PyObject* release() {
    PyObject* object = object_;
    object_ = nullptr;
    return object;
  }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

}  // namespace pyember::embed
