#pragma once

// Counts what a session allocates and refuses what goes over its budget.
//
// Counted, in SessionSlot::memory_used: everything through CPython's raw allocator (which carries
// every object above 512 bytes and all buffers), and mappings made on a session's thread: the
// arenas of small objects, the mmap module, C code's own. Not counted: malloc() of C libraries,
// thread stacks, and mappings of files on a real file system that need no memory of their own.
// Over the budget Python sees a MemoryError, in that session alone, and memory_refusals goes up.
//
// Memory that one thread allocates and another frees is counted to the session whose thread did
// each; mappings know their owner.
namespace pyember::embed {

struct SessionSlot;

// Puts the account before CPython's raw allocator. Once, before Py_Initialize. Afterwards threads
// whose current_slot is null pay one thread-local test.
void install_memory_account();

// A session that has filled its budget must still be able to say so and to run the cell that
// deletes the data. So each MemoryError is followed by a little headroom for small requests, up to
// a reserve that is there anew in each cell, and our own runtime (compiling, formatting a
// traceback) a larger one for any. Called on the session's thread when user code begins and ends; a
// few stores.
void allow_memory_for_code(SessionSlot& slot) noexcept;
void allow_memory_for_runtime(SessionSlot& slot) noexcept;

}  // namespace pyember::embed
