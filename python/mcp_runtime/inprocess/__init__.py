"""Makes a fresh sub-interpreter of the server fit for sessions. Called by C++, once in each.

Sub-interpreters share a process: descriptors aside (the server gives each session's thread its
own), everything process-wide is either given a copy for the session here or refused with the way
out. The price counts in every session, so modules are patched when they are imported and nothing
is imported for our own convenience.
"""

import sys


def bootstrap(native, config):
    """Patch this interpreter and return the object that runs sessions in it."""
    import posix

    from . import paths
    from .children import Children
    from .environment import Environment
    from .guards import Guards
    from .loader import Loader
    from .patching import Patches
    from .waits import Waits

    switches = config.get("test_switches") or {}
    patches = Patches()
    environment = Environment(posix)
    environment.install(posix)
    Waits(native, patches).install()
    guards = Guards(native, patches, environment)
    guards.install()
    Children(native, environment, patches).install()
    loader = Loader(patches, enabled=not switches.get("no_loader_hook"))
    loader.install()
    patches.install()
    paths.install(config, environment)
    environment.begin(0)
    from .interpreter import Interpreter

    return Interpreter(native, environment, patches, loader, guards)
