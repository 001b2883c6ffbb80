#pragma once

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

// A thread that was parked keeps its interpreter's GIL, and the others of that interpreter would
// look for it every 5 ms for ever. This makes the interval so long that they only sleep. Needs no
// GIL.
void pyember_calm_gil_waits(PyInterpreterState* interpreter);

#ifdef __cplusplus
}
#endif
