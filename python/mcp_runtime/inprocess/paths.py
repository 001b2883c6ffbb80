"""Where a session imports from, and what the interpreter says about its environment.

Does what `site` would do at start, without importing it: that alone costs a third of a bare
session's memory.
"""

import posix
import sys

from .. import bundled


def install(config, environment):
    runtime_directory = config.get("runtime_directory")
    bundled.set_directory(config.get("bundled_directory"))
    # The runtime finds its own modules through the package's __path__; session code that has a
    # module of the same name as one of ours must not meet ours.
    standard = [entry for entry in sys.path if entry != runtime_directory and entry]
    sys.path[:] = ["", *standard]
    sys.argv = [""]
    if runtime_directory:
        sys.meta_path.append(Bundled(runtime_directory))
    root = config.get("environment_root") or ""
    if root:
        _enter_environment(root, config.get("python_executable"), environment)
    for directory in config.get("site_directories") or ():
        _add_site_directory(directory)


class Bundled:
    """Finds python_mcp_server, which sessions may use, beside the runtime, which they may not.

    Asked last: a package of that name in the session's environment comes first.
    """

    def __init__(self, directory):
        self._directory = directory

    def find_spec(self, name, path=None, target=None):
        if name != "python_mcp_server":
            return None
        from _frozen_importlib_external import PathFinder
        return PathFinder.find_spec(name, [self._directory])


def _enter_environment(root, executable, environment):
    """What `source bin/activate` and the environment's own python would have set."""
    sys.prefix = sys.exec_prefix = root
    environment.set_default(b"VIRTUAL_ENV", root.encode())
    programs = root + "/bin"
    path = environment.default(b"PATH") or b""
    if programs.encode() not in path.split(b":"):
        environment.set_default(b"PATH", programs.encode() + (b":" + path if path else b""))
    python = programs + "/python"
    if executable and posix.access(python, posix.X_OK):
        sys.executable = python


def _add_site_directory(directory):
    if directory in sys.path:
        return
    sys.path.append(directory)
    try:
        names = sorted(name for name in posix.listdir(directory)
                       if name.endswith(".pth") and not name.startswith("."))
    except OSError:
        return
    for name in names:
        _read_path_file(directory, name)


# These patch installers (distutils, virtualenv's own), which no session imports.
_NEEDLESS = ("distutils-precedence.pth", "_virtualenv.pth")


def _read_path_file(directory, name):
    if name in _NEEDLESS:
        return
    try:
        with open(f"{directory}/{name}", encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        line = line.rstrip()
        if not line or line.startswith("#"):
            continue
        if line.startswith(("import ", "import\t")):
            try:
                exec(line, {})
            except Exception as error:
                print(f"{name} of {directory}: {error!r}", file=sys.stderr)
            continue
        entry = line if line.startswith("/") else f"{directory}/{line}"
        try:
            posix.stat(entry)
        except OSError:
            continue
        if entry not in sys.path:
            sys.path.append(entry)
