// Needs CPython's internal layout, which its C++ compilers reject; hence C.
#define Py_BUILD_CORE 1
#include "embed/python_gil.h"

#include "internal/pycore_interp.h"

// Microseconds; take_gil() reads it before each of its waits (Python/ceval_gil.c).
static const unsigned long kAnHour = 3600UL * 1000 * 1000;

void pyember_calm_gil_waits(PyInterpreterState* interpreter) {
  if (interpreter->ceval.gil != NULL) interpreter->ceval.gil->interval = kAnHour;
}
