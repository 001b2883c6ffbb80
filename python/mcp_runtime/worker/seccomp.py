"""The seccomp filter that a room's first process loads for itself and everything below it.

A sandbox is entered with its filter loaded. A container has that of its runtime, which lets through
what people who run services need: user namespaces, keyrings that all containers of one user have in
common, sockets to the hypervisor. So the server hands over its own (PYEMBER_FILTER names the file),
and the kernel keeps both.
"""

from __future__ import annotations

import sys
from builtins import OSError, open

from mcp_runtime.worker import linux

_STEP_BYTES = 8  # struct sock_filter
_MAXIMUM_STEPS = 4096  # BPF_MAXINSNS


def load(path: str) -> None:
    """Ends the process when the filter can't be had: nothing may run here without it."""
    try:
        with open(path, "rb", buffering=0) as file:
            steps = file.read(_STEP_BYTES * _MAXIMUM_STEPS + 1)
    except OSError as error:
        sys.exit(
            f"The room's seccomp filter {path} can't be read ({error.strerror}), so nothing was "
            "started. Give the room another image, or see the server's log for its command."
        )
    count, odd = divmod(len(steps), _STEP_BYTES)
    if odd or not 0 < count <= _MAXIMUM_STEPS or not linux.load_filter(steps, count):
        sys.exit(
            f"The room's seccomp filter {path} could not be loaded, so nothing was started: this "
            "needs a kernel with seccomp filters and a Python with ctypes. Use an image whose "
            "python3 imports ctypes."
        )
