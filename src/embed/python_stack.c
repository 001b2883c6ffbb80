// Needs CPython's internal frame layout, which its C++ compilers reject; hence C.
#define _GNU_SOURCE 1  // memmem
#define Py_BUILD_CORE 1
#include "embed/python_stack.h"

#include <Python.h>
#include <string.h>

#if PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_interpframe_structs.h"
#define FIRST_FRAME_WITHOUT_CODE FRAME_OWNED_BY_INTERPRETER
#else
#include "internal/pycore_frame.h"
#define FIRST_FRAME_WITHOUT_CODE FRAME_OWNED_BY_CSTACK
#endif

enum { kMaximumFrames = 60, kMaximumTextBytes = 120 };

struct writer {
  char* text;
  size_t size;
  size_t used;
};

static void put(struct writer* out, const char* bytes, size_t count) {
  if (out->used + 1 >= out->size) return;
  size_t room = out->size - 1 - out->used;
  if (count > room) count = room;
  memcpy(out->text + out->used, bytes, count);
  out->used += count;
  out->text[out->used] = '\0';
}

static void put_text(struct writer* out, const char* text) { put(out, text, strlen(text)); }

static void put_number(struct writer* out, int number) {
  char digits[16];
  int at = (int)sizeof digits;
  if (number < 0) {
    put_text(out, "?");
    return;
  }
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0 && at > 0);
  put(out, digits + at, sizeof digits - (size_t)at);
}

// Compact strings only, one code point at a time; what is not ASCII becomes '?'. PyUnicode_AsUTF8
// would allocate.
static void put_str(struct writer* out, PyObject* string) {
  if (string == NULL || !PyUnicode_Check(string)) {
    put_text(out, "?");
    return;
  }
  Py_ssize_t length = PyUnicode_GET_LENGTH(string);
  if (length > kMaximumTextBytes) length = kMaximumTextBytes;
  int kind = PyUnicode_KIND(string);
  const void* data = PyUnicode_DATA(string);
  for (Py_ssize_t i = 0; i < length; i++) {
    Py_UCS4 point = PyUnicode_READ(kind, data, i);
    char byte = point >= 32 && point < 127 ? (char)point : '?';
    put(out, &byte, 1);
  }
}

// The session runtime's own frames say nothing to the person who wrote the cell.
static int is_runtime_file(PyObject* filename) {
  static const char mark[] = "/mcp_runtime/";
  if (filename == NULL || !PyUnicode_Check(filename)) return 0;
  if (PyUnicode_KIND(filename) != PyUnicode_1BYTE_KIND) return 0;
  const char* bytes = (const char*)PyUnicode_DATA(filename);
  return memmem(bytes, (size_t)PyUnicode_GET_LENGTH(filename), mark, sizeof mark - 1) != NULL;
}

static void put_frame(struct writer* out, _PyInterpreterFrame* frame) {
  PyObject* code_object = PyUnstable_InterpreterFrame_GetCode(frame);
  if (code_object == NULL || !PyCode_Check(code_object)) return;
  PyCodeObject* code = (PyCodeObject*)code_object;
  if (is_runtime_file(code->co_filename)) return;
  put_text(out, "  File \"");
  put_str(out, code->co_filename);
  put_text(out, "\", line ");
  put_number(out, PyUnstable_InterpreterFrame_GetLine(frame));
  put_text(out, ", in ");
  put_str(out, code->co_name);
  put_text(out, "\n");
}

size_t pyember_write_python_stack(void* own, char* text, size_t size) {
  struct writer out = {text, size, 0};
  text[0] = '\0';
  PyThreadState* tstate = PyThreadState_GetUnchecked();
  if (tstate == NULL) tstate = (PyThreadState*)own;
  if (tstate == NULL) return 0;
  _PyInterpreterFrame* frame = tstate->current_frame;
  int count = 0;
  for (; frame != NULL && count < kMaximumFrames; frame = frame->previous) {
    if (frame->owner >= FIRST_FRAME_WITHOUT_CODE) continue;
    put_frame(&out, frame);
    count++;
  }
  if (frame != NULL) put_text(&out, "  ...\n");
  return out.used;
}
