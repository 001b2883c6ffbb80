#include "embed/py_text.h"

namespace pyember::embed {

std::string text_of(const Attached&, PyObject* object) {
  if (!object || !PyUnicode_Check(object)) return {};
  Py_ssize_t size = 0;
  if (const char* utf8 = PyUnicode_AsUTF8AndSize(object, &size))
    return {utf8, static_cast<std::size_t>(size)};
  PyErr_Clear();
  Reference bytes(PyUnicode_AsEncodedString(object, "utf-8", "replace"));
  if (!bytes) {
    PyErr_Clear();
    return {};
  }
  return {PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()))};
}

Reference to_str(const Attached&, std::string_view utf8) {
  return Reference(
      PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), "replace"));
}

std::string describe_and_clear_error(const Attached& attached) {
  Reference exception(PyErr_GetRaisedException());
  if (!exception) return "no exception";
  std::string text = Py_TYPE(exception.get())->tp_name;
  Reference message(PyObject_Str(exception.get()));
  if (message) {
    text += ": ";
    text += text_of(attached, message.get());
  }
  PyErr_Clear();
  return text;
}

}  // namespace pyember::embed
