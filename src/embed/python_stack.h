#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Writes the Python stack of the calling thread, innermost frame first, as
//   File "<cell 3>", line 2, in f
// into `text` (always terminated) and returns its length. Meant for a signal handler: it allocates
// nothing, takes no lock, follows at most a fixed number of frames and does not need the GIL. The
// interpreter may be in any state, so it can fault: the caller guards against that.
// `tstate` is the thread's own PyThreadState, used when none is attached (a GIL released around C
// code); may be NULL.
// _Py_DumpTraceback would do, but CPython 3.13 does not export it.
size_t pyember_write_python_stack(void* tstate, char* text, size_t size);

#ifdef __cplusplus
}
#endif
