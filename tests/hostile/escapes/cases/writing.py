"""Writing where nothing may be written: the user's files, the system, the runtime, the kernel's knobs."""

from __future__ import annotations

from tests.hostile.escapes.case import Case, Kind

USERS_FILES = """
import shutil
name = "escape-" + W["case"]
for folder in W["write_folders"]:
    attempt("a file in " + folder, lambda: open(os.path.join(folder, name), "w").close())
    attempt("a folder in " + folder, os.mkdir, os.path.join(folder, name + "-d"))
    attempt("a link in " + folder, os.symlink, "/", os.path.join(folder, name + "-l"))
for path in W["write_files"]:
    attempt("append to " + path, lambda: open(path, "a").write("escaped"))
    attempt("rights of " + path, os.chmod, path, 0o777)
    attempt("times of " + path, os.utime, path)
    attempt("truncation of " + path, os.truncate, path, 0)
    attempt("name of " + path, os.rename, path, path + "-renamed")
    attempt("removal of " + path + "-renamed", os.unlink, path + "-renamed")
"""
SYSTEM = """
need_walls()
name = "escape-" + W["case"]
for folder in ["/", "/bin", "/boot", "/dev", "/etc", "/etc/ssl", "/home", "/lib", "/lib64", "/mnt", "/opt", "/packages", "/proc", "/root", "/run",
               "/sbin", "/srv", "/sys", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/lib", "/var", "/var/lib", "/var/log", "/var/tmp", "/ipc"]:
    attempt("a file in " + folder, lambda: open(os.path.join(folder, name), "w").close())
    attempt("a folder in " + folder, os.mkdir, os.path.join(folder, name + "-d"))
for path in ["/etc/passwd", "/etc/hosts", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/resolv.conf", "/bin/sh", "/usr/bin/env", sys.executable]:
    attempt("append to " + path, lambda: open(path, "ab").close())
    attempt("rights of " + path, lambda: os.chmod(path, stat.S_IMODE(os.stat(path).st_mode)))  # as they are
"""
RUNTIME = """
need_walls()
import encodings, importlib.util, site, sysconfig
name = "escape-" + W["case"]
folders = {each for each in sys.path if os.path.isdir(each)} | {*W["runtime"], sys.prefix, sys.base_prefix, os.path.dirname(encodings.__file__)}
folders |= {os.path.join(each, "__pycache__") for each in list(folders)} | {sysconfig.get_paths()["purelib"], site.getusersitepackages()}
for folder in folders - {os.getcwd(), ""}:
    if not os.path.realpath(folder).startswith(("/workspace", "/tmp")):
        attempt("a file in " + folder, lambda: open(os.path.join(folder, name), "w").close())
for path in [encodings.__file__, os.__file__, *[module.__file__ for module in list(sys.modules.values()) if "mcp_runtime" in (getattr(module, "__file__", "") or "")]]:
    attempt("append to " + path, lambda: open(path, "ab").close())
"""
# Wherever anything can be made at all, by trying it everywhere.
EVERYWHERE = """
need_walls()
name = "escape-" + W["case"]
allowed = ("/tmp", "/workspace", "/dev/shm", "/proc", "/sys/kernel/security")
checked = 0
for root in ("/", ):
    for folder, folders, names in os.walk(root):
        folders[:] = [each for each in folders if os.path.join(folder, each) not in allowed and not os.path.islink(os.path.join(folder, each))]
        checked += 1
        if checked > 20000:
            break
        if folder.startswith("/dev/mqueue"):
            continue
        attempt("a folder in " + folder, os.mkdir, os.path.join(folder, name))
        for each in names[:200]:
            path = os.path.join(folder, each)
            if os.access(path, os.W_OK) and not os.path.islink(path) and not folder.startswith("/dev"):
                reached("may be written", path)
"""
PROGRAMS = """
for folder in ("/tmp", "/workspace", "/dev/shm", os.environ["PYEMBER_SESSION_FOLDER"]):
    path = os.path.join(folder, "escape-program-" + W["case"])
    if quietly(shutil.copyfile, shutil.which("true"), path) is None:
        continue
    os.chmod(path, 0o755)
    attempt("a program in " + folder, subprocess.check_call, [path])
    library = path + ".so"
    import _ctypes
    origin = getattr(_ctypes, "__file__", None)
    if origin:
        shutil.copyfile(origin, library)
        attempt("a library in " + folder, ctypes.CDLL, library)
        os.unlink(library)
    os.unlink(path)
"""
# Only a lower value is more than anybody may ask for.
OWN_FILES_IN_PROC = """
def lower():
    was = open("/proc/self/oom_score_adj").read()
    put("/proc/self/oom_score_adj", "-900")
    put("/proc/self/oom_score_adj", was)
attempt("oom_score_adj", lower)
for name, text in (("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
    if walled():
        attempt(name, put, "/proc/self/" + name, text)
"""
KNOBS = """
need_walls()
# What stands there already, or what means nothing.
for path, text in [("/proc/sysrq-trigger", "h"), ("/proc/sys/kernel/core_pattern", None), ("/proc/sys/kernel/hostname", None), ("/proc/sys/kernel/modprobe", None),
                   ("/proc/sys/net/ipv4/ip_forward", None), ("/proc/sys/kernel/ns_last_pid", None), ("/proc/sys/fs/binfmt_misc/register", ""),
                   ("/proc/irq/default_smp_affinity", None), ("/proc/acpi/wakeup", ""), ("/proc/mtrr", ""), ("/proc/bus/pci/00/00.0", ""), ("/sys/kernel/uevent_helper", None),
                   ("/sys/kernel/mm/ksm/run", None), ("/sys/power/state", "")]:
    text = quietly(text_of, path) if text is None else text
    if text is not None:
        attempt(path, put, path, text)
checked = 0
for root in ("/proc/sys", "/sys"):
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            checked += 1
            if checked < 30000 and os.access(path, os.W_OK) and not os.path.islink(path):
                attempt("written: " + path, put, path, quietly(text_of, path) or b"0")
"""
CONTROL_GROUPS = """
need_walls()
for root in ("/sys/fs/cgroup", "/proc/self/root/sys/fs/cgroup"):
    for folder, _, names in os.walk(root):
        attempt("a group in " + folder, os.mkdir, os.path.join(folder, "escape-" + W["case"]))
        for name in ("release_agent", "cgroup.procs", "memory.max", "memory.limit_in_bytes", "pids.max", "devices.allow", "cgroup.kill"):
            if name in names:
                attempt(os.path.join(folder, name), put, os.path.join(folder, name), b"")
"""

WRITING = Kind("writing", (
    Case("the user's files", USERS_FILES, works_outside=True),
    Case("the system's files", SYSTEM, dangerous=True),
    Case("the runtime, the interpreter and the packages", RUNTIME, dangerous=True),
    Case("any place in the file system", EVERYWHERE, dangerous=True, timeout=60),
    Case("programs and libraries of its own", PROGRAMS, works_outside=True),
    Case("its own entries in /proc", OWN_FILES_IN_PROC, works_outside=True, needs=("SYS_RESOURCE",)),
    Case("the kernel's knobs in /proc/sys, /proc and /sys", KNOBS, dangerous=True, timeout=60),
    Case("control groups, release agents included", CONTROL_GROUPS, dangerous=True),
))
