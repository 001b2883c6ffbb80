"""How a keeper, its zygote and every worker begin: `keep` and `serve` return in the children."""

from __future__ import annotations

import os
import resource
import sys


def _forget_how_we_were_started() -> None:
    """Sessions import from their own places: neither from the server's directory (which -m puts
    first) nor from the runtime's, and their children don't inherit PYTHONPATH for it."""
    runtime = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    sys.path[:] = [entry for entry in sys.path if entry != runtime]
    inherited = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in inherited if entry and os.path.abspath(entry) != runtime]
    if kept:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)


def _start(arguments: list[str]) -> tuple[int, str, str, int]:
    """Reads the command line: the control socket's descriptor, or -1 and the path at which the
    server listens for it; the directory whose descriptor goes with the hello, or nothing; and what
    each process from here on may map, or 0."""
    given = dict(zip(arguments[::2], arguments[1::2]))
    control, path = given.pop("--control", ""), given.pop("--connect", "")
    workspace = given.pop("--workspace", "")
    address_space = given.pop("--address-space", "0")
    reached = not control if path else control.isdigit()
    if len(arguments) % 2 or given or not reached or not address_space.isdigit():
        sys.exit(
            f"mcp_runtime.worker got the arguments {arguments}, not `--control DESCRIPTOR` or "
            "`--connect PATH`, with or without `--workspace DIRECTORY` and `--address-space BYTES`. "
            "It is started by pyember and is of no use without it; run `pyember` instead."
        )
    return int(control or -1), path, workspace, int(address_space)


def main() -> None:
    descriptor, path, workspace, address_space = _start(sys.argv[1:])
    sys.argv = [""]
    _forget_how_we_were_started()
    filter_path = os.environ.pop("PYEMBER_FILTER", "")
    if filter_path:
        from mcp_runtime.worker import seccomp

        seccomp.load(filter_path)
    if address_space:
        resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    from mcp_runtime.worker import keeper

    proxy = os.environ.pop("PYEMBER_PROXY", "")
    if proxy:
        from mcp_runtime.worker import forwarder

        forwarder.start(proxy)
    parent = keeper.keep(max(descriptor, 2) + 1)
    from mcp_runtime import bundled
    from mcp_runtime.worker import control, zygote

    # The zygote connects, not the keeper: the kernel tells the server whose connection it is.
    if path:
        descriptor = control.connect(path)
    bundled.set_directory(os.environ.pop("PYEMBER_BUNDLED", None))
    order = zygote.serve(descriptor, parent, workspace)  # returns in forked workers only
    from mcp_runtime.worker import worker

    worker.live(order)


main()
