#pragma once

namespace pyember::runner {

// Whether the command line asks for this instead of a run: `pyember-runner --keep OWNER …`.
bool asks_for_upstream_keeper(char** argv);

// Keeps a program that talks to the server through its stdin, stdout and stderr, which are ours:
//
//   pyember-runner --keep OWNER [--cwd DIR] -- PROGRAM [ARGUMENT...]
//
// Nothing of it outlives the server, whose process id is OWNER, or itself. Whatever it starts falls
// to this process when its parent ends, and is ended with it: asked to first, then killed. SIGTERM
// asks all of them to end, SIGQUIT kills them, and so does the end of the server. When this process
// is killed the program dies with it; the others are still in its process group.
//
// Ends as the program ended: with its code, or by its signal; 127, with a line on stderr, when it
// could not be executed.
int keep_upstream(char** argv);

}  // namespace pyember::runner
