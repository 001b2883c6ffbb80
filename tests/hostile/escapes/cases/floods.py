"""Floods: more output, results, displays, errors, files and log than anybody wants, and files that are traps for who lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hostile.escapes.case import ANY, STOPPED, Case, Kind

if TYPE_CHECKING:
    from tests.hostile.escapes.battery import Attempt

OUTPUT = """
line = "x" * 8191 + "\\n"
for _ in range(12000):
    sys.stdout.write(line)
"""
OUTPUT_FOR_EVER = """
line = b"y" * 65536
while True:
    os.write(1, line)
    os.write(2, line)
"""
# Pipes that children hold go on after the cell.
OUTPUT_OF_CHILDREN = """
need_walls()
for _ in range(4):
    subprocess.Popen(["sh", "-c", "while :; do echo flood; done"], start_new_session=True)
"""
RESULT = """
got = "z" * (100 << 20)
"""
ERROR = """
class Long(Exception):
    pass
def raise_all(n):
    try:
        if n:
            raise_all(n - 1)
        raise Long("e" * (20 << 20))
    except Long as cause:
        raise Long("c" * 100000) from cause
raise_all(50)
"""
DISPLAYS = """
for n in range(2000):
    display({"image/png": b"\\x89PNG" + bytes(1 << 16)}, raw=True) if n % 2 else display({"text/html": "<script>" + "h" * (1 << 16)}, raw=True)
"""
NOTICES = """
import warnings
for n in range(20000):
    warnings.warn_explicit("w" * 1000, UserWarning, f"file{n}", n)
"""
# The log of the server hears what the zygote writes to its second descriptor.
LOG = """
need_walls()
for pid in pids():
    for number in (1, 2):
        handle = quietly(os.open, f"/proc/{pid}/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
        if handle is not None:
            for _ in range(500):
                quietly(os.write, handle, b"l" * 65536)
            quietly(os.close, handle)
"""
MANY_FILES = """
folder = os.environ["PYEMBER_SESSION_FOLDER"]
for n in range(5000):
    name = (b"file %d " % n) + bytes([n % 255 + 1]) * (n % 50) + b"\\n\\xff\\xfe"
    quietly(lambda: open(os.path.join(os.fsencode(folder), name.replace(b"/", b"_")), "wb").close())
"""
DEEP_FOLDERS = """
at = os.environ["PYEMBER_SESSION_FOLDER"]
os.chdir(at)
for n in range(3000):
    os.mkdir("d")
    os.chdir("d")
open("bottom.txt", "w").close()
os.chdir("/")
"""
# Who opens one of those waits, and who walks along them goes in circles.
TRAPS = """
folder = os.environ["PYEMBER_SESSION_FOLDER"]
for name in ("out.png", "data.csv", "pipe.txt", ".pyember", "state", "log"):
    quietly(os.mkfifo, os.path.join(folder, name))
os.symlink(folder, os.path.join(folder, "circle"))
os.symlink("self", os.path.join(folder, "self"))
os.mkdir(os.path.join(folder, "closed"))
os.chmod(os.path.join(folder, "closed"), 0)
quietly(lambda: socket.socket(socket.AF_UNIX).bind(os.path.join(folder, "socket.txt")))
"""
GONE = """
import shutil
folder = os.environ["PYEMBER_SESSION_FOLDER"]
quietly(shutil.rmtree, folder)
quietly(os.rmdir, folder)
quietly(os.mkfifo, folder)
quietly(os.chmod, folder, 0)
"""
BUILTINS = """
import builtins
for name in list(vars(builtins)):
    if name not in ("__import__", "repr"):
        setattr(builtins, name, None)
for name in list(sys.modules):
    sys.modules[name] = None
"""


def traps_are_passed(attempt: Attempt) -> list[str]:
    """Listing and reading the folder is answered, whatever lies in it."""
    for path in ("out.png", "socket.txt", "circle/circle/data.csv", "closed/x", "d/" * 200 + "bottom.txt", "self"):
        attempt.read_file(path)
    attempt.client.tool("list_files", session=attempt.session)
    attempt.client.tool("put_file", session=attempt.session, path="pipe.txt", content="x")
    return []


FLOODS = Kind("floods", (
    Case("a hundred megabytes of output", OUTPUT, accept=ANY, timeout=30),
    Case("output on both descriptors past the deadline", OUTPUT_FOR_EVER, accept=STOPPED, timeout=1),
    Case("output of children after the cell", OUTPUT_OF_CHILDREN, accept=ANY, dangerous=True),
    Case("a result of a hundred megabytes", RESULT, accept=ANY),
    Case("an error of many megabytes and many causes", ERROR, accept=ANY),
    Case("thousands of displays", DISPLAYS, accept=ANY, timeout=30),
    Case("thousands of warnings", NOTICES, accept=ANY),
    Case("the server's log", LOG, accept=ANY, dangerous=True),
    Case("thousands of files with wild names", MANY_FILES, accept=ANY, then=traps_are_passed),
    Case("folders three thousand deep", DEEP_FOLDERS, accept=ANY, then=traps_are_passed),
    Case("pipes, circles and sockets in the folder", TRAPS, accept=ANY, then=traps_are_passed),
    Case("the folder itself replaced", GONE, accept=ANY, then=traps_are_passed),
    Case("every builtin and module gone", BUILTINS, accept=ANY),
))
