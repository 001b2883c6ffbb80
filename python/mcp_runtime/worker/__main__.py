"""How a keeper, its zygote and every worker begin: `keep` and `serve` return in the children."""

from __future__ import annotations

import os
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


def _control_descriptor(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] != "--control" or not arguments[1].isdigit():
        sys.exit(
            f"mcp_runtime.worker got the arguments {arguments}, not `--control DESCRIPTOR`. It is "
            "started by pyember and is of no use without it; run `pyember` instead."
        )
    return int(arguments[1])


def main() -> None:
    control = _control_descriptor(sys.argv[1:])
    sys.argv = [""]
    _forget_how_we_were_started()
    from mcp_runtime.worker import keeper

    parent = keeper.keep(control + 1)
    from mcp_runtime import bundled
    from mcp_runtime.worker import zygote

    bundled.set_directory(os.environ.pop("PYEMBER_BUNDLED", None))
    order = zygote.serve(control, parent)  # returns in forked workers only
    from mcp_runtime.worker import worker

    worker.live(order)


main()
