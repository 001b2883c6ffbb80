"""The zygote's parent, which ends what is left when the zygote is killed.

What workers started becomes the zygote's child when its worker dies. When the zygote dies itself (a
cell may kill it: it is the parent of every worker) all of it becomes the keeper's instead of init's.
The keeper kills it and then ends as the zygote did, so that the server hears why. It is forked before
anything is imported, and sleeps in wait() until then. A zygote whose keeper is killed ends by itself.
"""

from __future__ import annotations

import _signal as signal  # the module signal takes 2 ms, for its enumerations
import os
import resource
import time
from builtins import OSError, int

from mcp_runtime.worker import linux
from mcp_runtime.worker.family import end_children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_END_SECONDS = 5.0


def keep(descriptors: int) -> int:
    """Forks. Returns the id of its parent in the zygote; the keeper stays in here to its end.

    It keeps none of the lowest `descriptors`, which are all that is open.
    """
    keeper = os.getpid()
    linux.adopt_orphans()
    try:
        zygote = os.fork()
    except OSError:  # then nobody keeps it; no worker will get a process either, and say so
        return os.getppid()
    if zygote == 0:
        linux.notice_parents_end()
        return keeper
    os.closerange(0, descriptors)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(zygote, 0)
    end_children(time.monotonic() + _END_SECONDS)
    _end_like(status)


def _end_like(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), os.WTERMSIG(status))
        os._exit(128 + os.WTERMSIG(status))  # the first process of a container can't kill itself
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
