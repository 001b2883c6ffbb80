"""The way from a sandbox's own loopback to the server's proxy, where a list of hosts was allowed.

A sandbox has no network but 127.0.0.1. Programs know proxies by a port (HTTP_PROXY), the proxy is
reached by a Unix socket that is shown in the sandbox; a small process carries the bytes between the
two (forwarding.py). What may be reached is decided outside (mcp_services/proxy.py), so it does not
matter when code in the sandbox ends this process or goes to the socket by itself.

The keeper starts it before anything else, and it ends with the keeper. For a program that has no
keeper: `python -I -S forwarder.py PORT:SOCKET PROGRAM ARGUMENT…`, which becomes that program.
"""

from __future__ import annotations

import os
import sys
from builtins import (
    AttributeError,
    BaseException,
    OSError,
    ValueError,
    all,
    bool,
    int,
    len,
    print,
    sorted,
    str,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_WAITING = 128  # connections that are not accepted yet


def start(place: str, is_child: bool = True) -> None:
    """Listens, and forks the process that forwards; `place` is PORT:SOCKET.

    It listens when this returns, so that nobody comes too early. Where it can't, there is no way
    out of the sandbox, and descriptor 2 has the reason. It is our child, or nobody's.
    """
    port, _, path = place.partition(":")
    try:
        listener = _listen(int(port))
        parent = os.pidfd_open(os.getpid())
        pid = os.fork()
    except (OSError, ValueError, AttributeError) as error:
        print(f"This sandbox has no way to its proxy: {error}", file=sys.stderr, flush=True)
        return
    if pid == 0:
        if not is_child and os.fork() != 0:
            os._exit(0)
        _live(listener, parent, path)
    if not is_child:
        os.waitpid(pid, 0)
    os.close(listener)
    os.close(parent)


def _listen(port: int) -> int:
    import _socket  # socket itself takes milliseconds, and the keeper has no other use for it

    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(_WAITING)
    return listener.detach()


def _live(listener: int, parent: int, path: str) -> NoReturn:
    """The rest of the process. It keeps 2, for what goes wrong."""
    try:
        kept = sorted((2, listener, parent))
        os.closerange(0, kept[0])
        os.closerange(kept[0] + 1, kept[1])
        os.closerange(kept[1] + 1, kept[2])
        if _somebody_comes(listener, parent):
            from mcp_runtime.worker.forwarding import Forwarder

            Forwarder(listener, parent, path).run()
    except BaseException as error:
        print(f"The way to the proxy has ended: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(0)


def _somebody_comes(listener: int, parent: int) -> bool:
    """Waits for the first connection, or the parent's end. To load what carries bytes takes longer
    than all before it, and the zygote is starting beside us."""
    import select

    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(parent, select.POLLIN)
    return all(descriptor != parent for descriptor, _ in poll.poll())


def main() -> NoReturn:
    if len(sys.argv) < 3:
        sys.exit(
            f"forwarder.py got the arguments {sys.argv[1:]}, not `PORT:SOCKET PROGRAM ARGUMENT…`. "
            "It is started by pyember and is of no use without it; run `pyember` instead."
        )
    runtime = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.append(runtime)
    start(sys.argv[1], is_child=False)
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
