#pragma once

// A hook on CPython's audit events that refuses, on sessions' threads, what would reach the whole
// process, with an error that says why and what to do instead. Most of it would fail anyway where
// libc is interposed (interpose_refusals.cpp), but only with "Operation not permitted".
//
// The hook costs one thread-local test on the server's threads and a look at the first characters
// of the event on a session's. It can't be removed, and a session can't see it.
namespace pyember::embed {

// Once, before Py_Initialize (PySys_AddAuditHook: then it holds for every interpreter).
void install_audit_hook();

}  // namespace pyember::embed
