"""Reading what is none of the session's: keys, $HOME, configuration, the machine's files."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.hostile.escapes.case import Case, Kind

if TYPE_CHECKING:
    from tests.hostile.escapes.battery import Attempt

KEYS = """
for path in W["keys"]:
    attempt(path, text_of, path)
    attempt("the name of " + path, os.stat, path)
"""
CONFIGURATION = """
for path in W["configuration"]:
    attempt(path, text_of, path)
"""
HOME_BY_EVERY_NAME = """
import pwd
for home in {os.path.expanduser("~"), os.environ.get("HOME", "/"), *[each.pw_dir for each in pwd.getpwall()], W["home"], W["real_home"]}:
    for name in W["names_in_homes"]:
        attempt(os.path.join(home, name), os.lstat, os.path.join(home, name))
"""
ANY_CANARY = """
for root in ["/"] if walled() else [W["root"]]:
    for folder, folders, names in os.walk(root):
        folders[:] = [each for each in folders if os.path.join(folder, each) not in ("/proc", "/sys", "/usr", "/dev")]
        for name in names:
            path = os.path.join(folder, name)
            if quietly(lambda: stat.S_ISREG(os.stat(path).st_mode) and os.path.getsize(path) < 65536):
                if marks_in(quietly(text_of, path, 65536) or b""):
                    reached(path)
"""
SHADOW = """
for path in ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/machine-id", *glob.glob("/etc/ssh/*key"), *glob.glob("/etc/ssl/private/*")]:
    data = quietly(text_of, path)
    if data and (path != "/etc/machine-id" or data.decode().strip() == W["machine_id"]):
        reached(path, data[:20])
if W["user"] not in ("root", "nobody") and W["user"].encode() in text_of("/etc/passwd", 1 << 20):
    reached("/etc/passwd", W["user"])
"""
ENVIRONMENT = """
for name, value in os.environ.items():
    if marks_in(value.encode()):
        reached("os.environ", name)
for pid in pids():
    data = quietly(text_of, f"/proc/{pid}/environ", 1 << 20) or b""
    if marks_in(data):
        reached(f"environment of {pid}")
"""
STATE = """
for path in W["state"]:
    attempt(path, os.listdir, path)
"""
PROJECT = """
for path in W["beside_the_runtime"]:
    attempt(path, os.lstat, path)
"""
SHARED_FOLDERS = """
for path in W["in_shared_folders"]:
    attempt(path, text_of, path)
    if os.path.basename(path) in (quietly(os.listdir, os.path.dirname(path)) or []):
        reached("listed", path)
"""
SAME_FOLDERS = """
for path, known in W["identities"].items():
    if quietly(identity, path) == known:
        reached("the machine's own " + path)
"""
ROOTS_OF_PROCESSES = """
known = [each for path, each in W["identities"].items()]
for pid in pids():
    for link in ("root", "cwd", "root/etc", "root/home", "root/root", "root/var"):
        if quietly(identity, f"/proc/{pid}/{link}/.") in known:
            reached(f"/proc/{pid}/{link} leads outside")
"""
ABOVE_THE_ROOT = """
at = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
for _ in range(20):
    at = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
known = list(W["identities"].values())
for name in (".", "root", "home", "etc", "proc/1/root", "proc/self/root/.."):
    status = quietly(lambda: os.stat(name, dir_fd=at))
    if status and [status.st_dev, status.st_ino] in known:
        reached("above the root", name)
"""
LINKS = """
folder = os.environ["PYEMBER_SESSION_FOLDER"]
os.symlink(W["keys"][0], os.path.join(folder, "key.txt"))
os.symlink(os.path.dirname(W["keys"][0]), os.path.join(folder, "keys"))
os.symlink(W["home"], os.path.join(folder, "home"))
os.symlink("/proc/self/root" + W["keys"][0], os.path.join(folder, "proc.txt"))
quietly(os.link, W["keys"][0], os.path.join(folder, "hard.txt"))
"""
LINK_RACE = """
folder = os.environ["PYEMBER_SESSION_FOLDER"]
a, b, c = (os.path.join(folder, name) for name in ("swapped", "real", "link"))
os.mkdir(b)
open(os.path.join(b, os.path.basename(W["keys"][0])), "w").write("mine")
os.symlink(os.path.dirname(W["keys"][0]), c)
def swap():
    end = time.monotonic() + 4
    while time.monotonic() < end:
        for each in (b, c):
            os.rename(each, a)
            time.sleep(0.0002)
            os.rename(a, each)
threading.Thread(target=swap, daemon=True).start()
"""


def links_lead_nowhere(attempt: Attempt) -> list[str]:
    """The server's own tools on the folder: none follows a link that the code has made."""
    world = attempt.battery.canaries
    read = ["key.txt", "proc.txt", "hard.txt", "keys/" + world.keys[0].name, "home/.netrc", "../" + world.keys[0].name]
    wrong = [f"session-file {path}: {text[:200]}" for path in read if world.leak_in(text := attempt.read_file(path))]
    listed = attempt.client.tool("list_files", session=attempt.session)
    if world.leak_in(listed.text) or world.keys[0].name in listed.text:
        wrong.append(f"list_files shows what is behind a link: {listed}")
    for path in ("home/put-by-an-escape", "keys/put-by-an-escape", "../put-by-an-escape"):
        attempt.client.tool("put_file", session=attempt.session, path=path, base64=base64.b64encode(b"escaped").decode())
    return wrong + [f"put_file wrote {path}" for path in world.root.rglob("put-by-an-escape") if not attempt.is_own(path)]


def link_race_is_lost(attempt: Attempt) -> list[str]:
    """Reads again and again while the folder turns into a link and back."""
    world = attempt.battery.canaries
    for _ in range(60):
        for folder in ("swapped", "real", "link"):
            text = attempt.read_file(f"{folder}/{world.keys[0].name}")
            if world.leak_in(text):
                return [f"the server followed {folder}: {text[:200]}"]
        attempt.client.tool("put_file", session=attempt.session, path="swapped/put-by-an-escape", content="escaped")
    found = [path for path in world.home.rglob("put-by-an-escape")]
    return [f"put_file wrote {path}" for path in found]


READING = Kind("reading", (
    Case("keys in the server's home", KEYS, works_outside=True),
    Case("configuration with tokens of clients", CONFIGURATION, works_outside=True),
    Case("homes by every name they have", HOME_BY_EVERY_NAME, works_outside=True),
    Case("any canary in any file there is", ANY_CANARY, works_outside=True, timeout=60),
    Case("password files and host keys", SHADOW, works_outside=True, needs=("DAC_READ_SEARCH",)),
    Case("the server's environment", ENVIRONMENT, works_outside=True),
    Case("the server's state, journal and jobs", STATE, works_outside=True),
    Case("what lies beside the runtime", PROJECT, works_outside=True),
    Case("files in /tmp, /var/tmp and /dev/shm of the machine", SHARED_FOLDERS, works_outside=True),
    Case("directories of the machine, known by their inodes", SAME_FOLDERS, works_outside=True),
    Case("roots and directories of processes", ROOTS_OF_PROCESSES, works_outside=True),
    Case("above the root", ABOVE_THE_ROOT, works_outside=True),
    Case("links in the folder that the server reads and writes", LINKS, then=links_lead_nowhere),
    Case("a folder that turns into a link while the server reads it", LINK_RACE, then=link_race_is_lost),
))
