"""The kernel's own interfaces: mounts, namespaces, devices, set-user-ID programs, and what has been a way out before.

Where a call is allowed to fail in several ways, what counts is that the kernel does not get as far as its arguments: those are
wrong on purpose, so that nothing happens to the machine where walls are missing.
"""

from __future__ import annotations

from tests.hostile.escapes.case import ENDS_ITSELF, UNFILTERED, Case, Kind

MOUNT = """
need_walls()
place = "/tmp/escape-mount"
os.makedirs(place, exist_ok=True)
BIND, REC, REMOUNT, PRIVATE, MOVE = 4096, 16384, 32, 1 << 18, 8192
for kind in (b"tmpfs", b"proc", b"sysfs", b"overlay", b"ext4", b"fuse", b"cgroup", b"cgroup2", b"devpts", b"mqueue", b"binfmt_misc", b"nfs", b"9p", b"debugfs", b"securityfs"):
    refused("mount", b"none", place.encode(), kind, 0, None)
for source in ("/", "/proc/1/root", "/proc/self/root", "/dev", *(["/dev/vda"] if os.path.exists("/dev/vda") else [])):
    refused("mount", source.encode(), place.encode(), None, BIND | REC, None)
for path in ("/", "/usr", "/proc", "/tmp", "/workspace", "/dev", "/packages"):
    if os.path.exists(path):
        refused("mount", None, path.encode(), None, REMOUNT | BIND, None)
        refused("mount", None, path.encode(), None, PRIVATE | REC, None)
        refused("umount2", path.encode(), 2)
refused("mount", b"/tmp", place.encode(), None, MOVE, None)
refused("pivot_root", b"/tmp", place.encode())
"""
NEW_MOUNT_CALLS = """
need_walls()
refused("fsopen", b"tmpfs", 0)
refused("fsmount", -1, 0, 0)
refused("fspick", -100, b"/", 0)
refused("open_tree", -100, b"/", 1)  # OPEN_TREE_CLONE
refused("move_mount", -100, b"/tmp", -100, b"/workspace", 0)
attributes = (ctypes.c_ulong * 4)(0, 1, 0, 0)  # clear MOUNT_ATTR_RDONLY
refused("mount_setattr", -100, b"/", 0, attributes, 32)
"""
NAMESPACES = """
need_walls()
FLAGS = {"user": 0x10000000, "mount": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "net": 0x40000000, "pid": 0x20000000, "cgroup": 0x2000000, "time": 0x80}
def each():
    for name, flag in FLAGS.items():
        refused("unshare", flag, also={errno.ENOSPC, errno.EUSERS})
    refused("unshare", 0x10000000 | 0x20000 | 0x20000000, also={errno.ENOSPC, errno.EUSERS})
child(each)
for name, flag in FLAGS.items():
    if name == "time":
        continue
    result, number = system_call("clone", flag | signal.SIGCHLD, 0, 0, 0, 0)
    if result == 0:
        os._exit(0)
    if result > 0:
        reached("clone with a new namespace", name)
        os.waitpid(result, 0)
    arguments = (ctypes.c_ulong * 11)(flag, 0, 0, 0, signal.SIGCHLD)
    result, number = system_call("clone3", arguments, 88)
    if result == 0:
        os._exit(0)
    if result > 0:
        reached("clone3 with a new namespace", name)
        os.waitpid(result, 0)
"""
ENTERING = """
need_walls()
for pid in {1, os.getppid(), W["server_pid"], W["canary_pid"]}:
    for name in ("user", "mnt", "net", "pid", "ipc", "uts", "cgroup", "time"):
        handle = quietly(os.open, f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        if handle is None:
            continue
        if quietly(os.readlink, f"/proc/{pid}/ns/{name}") in W["namespaces"] and name != "user" and name != "time" and name != "cgroup":
            reached(f"{name} of {pid} is the machine's")
        def enter():
            refused("setns", handle, 0, also={errno.EINVAL})
        child(enter)
    handle = system_call("pidfd_open", pid, 0)[0]
    if handle >= 0:
        child(lambda: refused("setns", handle, 0x20000, also={errno.EINVAL}))
"""
OTHER_NAMESPACES = """
need_walls()
for name in ("pid", "net", "ipc", "uts", "mnt"):
    if quietly(os.readlink, "/proc/self/ns/" + name) in W["namespaces"]:
        reached("the machine's own namespace", name)
"""
DEVICES = """
need_walls()
folders = ("/tmp", "/workspace", "/dev/shm", "/dev", os.environ["PYEMBER_SESSION_FOLDER"])
for name, (kind, major, minor) in {"mem": (stat.S_IFCHR, 1, 1), "port": (stat.S_IFCHR, 1, 4), "kmsg": (stat.S_IFCHR, 1, 11), "disk": (stat.S_IFBLK, 254, 0),
                                   "sda": (stat.S_IFBLK, 8, 0), "loop": (stat.S_IFBLK, 7, 0), "kvm": (stat.S_IFCHR, 10, 232), "fuse": (stat.S_IFCHR, 10, 229),
                                   "tun": (stat.S_IFCHR, 10, 200), "null": (stat.S_IFCHR, 1, 3)}.items():
    for folder in folders:
        path = os.path.join(folder, "escape-" + name)
        if quietly(os.mknod, path, 0o666 | kind, os.makedev(major, minor)) is None and os.path.exists(path):
            reached("mknod", path)
            attempt("opened " + path, os.open, path, os.O_RDONLY)
"""
DEVICE_FILES = """
harmless = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)}  # null zero full random urandom tty console ptmx
for folder, folders, names in os.walk("/dev"):
    for name in names:
        path = os.path.join(folder, name)
        status = quietly(os.stat, path)
        if status is None or not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
            continue
        if stat.S_ISCHR(status.st_mode) and ((os.major(status.st_rdev), os.minor(status.st_rdev)) in harmless or os.major(status.st_rdev) == 136):
            continue
        if not walled() and name not in ("mem", "kmsg", "loop-control", "kvm", "fuse"):
            continue
        for how in (os.O_RDONLY, os.O_WRONLY) if walled() else (os.O_RDONLY,):
            handle = quietly(os.open, path, how | os.O_NONBLOCK | os.O_NOCTTY)
            if handle is not None:
                os.close(handle)
                reached(path)
"""
KERNEL_MEMORY = """
for path in ("/proc/kcore", "/proc/kmem", "/dev/mem", "/dev/kmem", "/dev/port", "/proc/kmsg", "/dev/kmsg", "/proc/vmcore", "/sys/kernel/debug/sched", "/sys/firmware/dmi/tables/DMI",
             "/proc/kpagecount", "/proc/kpageflags", "/sys/kernel/security/lockdown", "/proc/1/syscall", "/proc/1/stack"):
    handle = quietly(os.open, path, os.O_RDONLY | os.O_NONBLOCK)
    if handle is not None and not path.startswith(("/proc/1/", "/sys/kernel/security")):
        attempt(path, os.read, handle, 64) or quietly(lambda: reached(path) if path == "/proc/kcore" else None)
for line in (quietly(text_of, "/proc/kallsyms", 4096) or b"").splitlines()[:20]:
    if line.split()[0].strip(b"0"):
        reached("addresses of the kernel", line)
room = ctypes.create_string_buffer(4096)
if system_call("syslog", 3, room, 4096)[0] > 0:
    reached("the kernel's log", room.value[:80])
data = quietly(lambda: os.pread(os.open("/proc/self/pagemap", os.O_RDONLY), 8, id(got) // 4096 * 8))
if data and struct.unpack("<Q", data)[0] & ((1 << 55) - 1):
    reached("physical addresses")
"""
PRIVILEGES = """
def each():
    for what, call in (("setuid", lambda: os.setuid(0)), ("setgid", lambda: os.setgid(0)), ("setresuid", lambda: os.setresuid(0, 0, 0)), ("setresgid", lambda: os.setresgid(0, 0, 0)),
                       ("setgroups", lambda: os.setgroups([0, 27, 998])), ("files of root", lambda: libc.setfsuid(0) and None or open("/etc/shadow").read())):
        attempt(what, call)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)
    if libc.capset(header, data) == 0:
        reached("capset")
    for capability in range(41):
        if libc.prctl(47, 2, capability, 0, 0) == 0 and walled():
            reached("ambient capability", capability)
    status = open("/proc/self/status").read()
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") and int(value, 16):
            reached(name, value.strip())
        if name in ("Uid", "Gid") and "0" in value.split():
            reached(name, value.strip())
        if name == "NoNewPrivs" and value.strip() != "1" or name == "Seccomp" and value.strip() != "2":
            reached(name, value.strip())
child(each)
"""
SET_USER_ID = """
need_walls()
programs = [os.path.join(folder, name) for folder in ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/lib/openssh", "/usr/lib/dbus-1.0")
            for name in (quietly(os.listdir, folder) or [])]
bearing = [path for path in programs if (quietly(os.stat, path) or os.stat("/")).st_mode & (stat.S_ISUID | stat.S_ISGID) and os.path.isfile(path)]
for path in bearing[:40]:
    started = quietly(lambda: subprocess.Popen([path, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    if started is None:
        continue
    time.sleep(0.005)
    line = [each for each in (quietly(text_of, f"/proc/{started.pid}/status") or b"").splitlines() if each.startswith(b"Uid")]
    if line and b"0" in line[0].split()[1:]:
        reached(path, line)
    quietly(started.wait, 1) is None and started.kill()
for command in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["pkexec", "id", "-u"], ["newgrp", "root"], ["mount", "-t", "tmpfs", "none", "/tmp"], ["unshare", "-r", "id", "-u"],
                ["bwrap", "--ro-bind", "/", "/", "id", "-u"], ["newuidmap", str(os.getpid()), "0", "0", "1"], ["fusermount3", "-u", "/tmp"], ["chfn", "-f", "x"]):
    done = quietly(lambda: subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=3))
    if done is not None and done.returncode == 0:
        reached(" ".join(command), done.stdout[:50])
own = "/tmp/escape-suid"
shutil.copy("/bin/true", own)
quietly(os.chown, own, 0, 0)
quietly(os.chmod, own, 0o6755)
if os.stat(own).st_uid == 0:
    reached("a program of root's")
"""
KEYRINGS = """
need_walls()
ring = system_call("add_key", b"user", b"escape", b"x", 1, -4)[0]
for call, arguments in (("keyctl", (0, -4, 1)), ("keyctl", (6, -4)), ("keyctl", (15, -4, None, 0)), ("keyctl", (1, b"x")), ("add_key", (b"keyring", b"x", None, 0, -5)), ("request_key", (b"user", b"x", None, -4))):
    result, number = system_call(call, *arguments)
    if result >= 0 and -4 in arguments:
        reached(f"{call}{arguments[:1]}: the keyring of a user that sessions have in common", result)
for line in (quietly(text_of, "/proc/keys", 1 << 20) or b"").splitlines():
    if b"neighbour" in line:
        reached("/proc/keys", line)
"""
IO_URING = """
parameters = (ctypes.c_ubyte * 256)()
refused("io_uring_setup", 4, parameters)
refused("io_uring_enter", -1, 0, 0, 0, None, 0)
refused("io_uring_register", -1, 0, None, 0)
"""
BPF = """
attributes = (ctypes.c_uint32 * 32)(1, 4, 4, 1)  # an array
refused("bpf", 0, attributes, 128)
program = (ctypes.c_uint64 * 2)(0xb7, 0x95)
licence = ctypes.create_string_buffer(b"GPL")
attributes = (ctypes.c_uint32 * 32)(1, 2, *struct.unpack("<II", struct.pack("<Q", ctypes.addressof(program))), *struct.unpack("<II", struct.pack("<Q", ctypes.addressof(licence))))
refused("bpf", 5, attributes, 128)
"""
PERF = """
for kind, config in ((1, 0), (0, 0), (2, 1)):  # software, hardware, a tracepoint
    attributes = (ctypes.c_uint32 * 32)(kind, 128, config)
    for pid, cpu in ((0, -1), (-1, 0)):
        refused("perf_event_open", attributes, pid, cpu, -1, 0, also={errno.ENOENT, errno.ENODEV} if kind != 1 else ())
"""
USERFAULTFD = """
refused("userfaultfd", 1)  # UFFD_USER_MODE_ONLY
refused("userfaultfd", 0)
attempt("/dev/userfaultfd", os.open, "/dev/userfaultfd", os.O_RDWR)
"""
HANDLES = """
for where in ("/", "/usr", "/etc/hostname", "/etc/hosts", "/tmp", "/etc/resolv.conf"):
    mount = os.open(where, os.O_RDONLY) if os.path.exists(where) else None
    if mount is None:
        continue
    for inode in (2, 1, 128, 256, 64):  # the root of ext4, tmpfs, xfs, btrfs
        handle = (ctypes.c_ubyte * 136)(*struct.pack("<IiII", 8, 1, inode, 0))
        result, number = system_call("open_by_handle_at", mount, handle, os.O_RDONLY)
        if result >= 0 or number not in REFUSED:
            reached(f"open_by_handle_at below {where}", errno.errorcode.get(number, result))
            break
"""
PERSONALITY = """
for flag, name in ((0x0040000, "ADDR_NO_RANDOMIZE"), (0x0400000, "READ_IMPLIES_EXEC"), (0x0100000, "MMAP_PAGE_ZERO"), (0x0200000, "ADDR_COMPAT_LAYOUT")):
    def change():
        result, number = system_call("personality", flag)
        if result != -1 and system_call("personality", 0xffffffff)[0] & flag:
            reached(name)
    child(change)
"""
TERMINAL = """
import fcntl, pty, termios
handle = quietly(os.open, "/dev/tty", os.O_RDWR)
if handle is not None:
    reached("a terminal of somebody's")
for number in (0, 1, 2):
    if os.isatty(number):
        reached("a terminal", number)
def push(pair):
    for request, argument in ((0x5412, b"x"), (0x541C, b"\\x02")):  # TIOCSTI, TIOCLINUX
        try:
            fcntl.ioctl(pair[1], request, argument)
            reached("ioctl", hex(request))
        except OSError:
            pass
pair = quietly(os.openpty)
if pair and walled():
    push(pair)
    def controlling():
        os.setsid()
        fcntl.ioctl(pair[1], termios.TIOCSCTTY, 0)
        push(pair)
    child(controlling)
for path in glob.glob("/dev/pts/[0-9]*") + glob.glob("/dev/tty[0-9]*") + ["/dev/console"]:
    if walled() and (pair is None or path != os.ttyname(pair[1])):
        attempt(path, os.open, path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
if not walled():
    attempt("/dev/tty0", os.open, "/dev/tty0", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
"""
MACHINE = """
need_walls()
refused("kexec_load", 0, 0, None, 0xdead)
refused("kexec_file_load", -1, -1, 0, None, 0xdead)
refused("init_module", None, 0, b"")
refused("finit_module", -1, b"", 0)
refused("delete_module", b"escape_no_such_module", 0x800)
refused("reboot", 0, 0, 0, None)  # wrong magic numbers
refused("swapon", b"/escape-no-such-file", 0)
refused("swapoff", b"/escape-no-such-file")
refused("acct", b"/escape-no-such-file")
refused("quotactl", 0x80000100 | (1 << 8), b"/escape-no-such-file", 0, None, also={errno.ENOENT, errno.ENOTBLK, errno.ENODEV, errno.EINVAL, errno.EFAULT})
refused("syslog", 5, None, 0)
refused("vhangup")
if platform.machine() == "x86_64":
    refused("iopl", 3)
    refused("ioperm", 0x80, 1, 1)
"""
HOST_NAME = """
need_walls()
name = socket.gethostname().encode()  # as it is
refused("sethostname", name, len(name))
refused("setdomainname", b"(none)", 6)
"""
FANOTIFY = """
handle, number = system_call("fanotify_init", 0, 0)  # for the whole machine
if handle >= 0:
    reached("fanotify_init")
handle, number = system_call("fanotify_init", 0x200, 0)  # for an ordinary user
if handle >= 0:
    for path in (b"/", b"/usr", b"/proc", b"/etc/passwd"):
        if libc.fanotify_mark(handle, 1 | 0x10, ctypes.c_ulong(0x20), -100, path) == 0:  # of a whole mount
            reached("fanotify of a mount", path)
"""
CHROOT = """
need_walls()
def leave():
    os.makedirs("/tmp/escape-root", exist_ok=True)
    attempt("chroot", os.chroot, "/tmp/escape-root")
    handle = quietly(os.open, "/", os.O_RDONLY)
    for _ in range(20):
        quietly(os.chdir, "..")
    quietly(os.chroot, ".")
    for path, known in W["identities"].items():
        if quietly(identity, path) == known:
            reached("outside by chroot", path)
child(leave)
"""
OTHER_ARCHITECTURE = """
if platform.machine() == "x86_64":
    need_walls()
    def i386(number, *arguments):
        registers = b"".join(code + struct.pack("<I", each & 0xffffffff) for code, each in zip((b"\\xbb", b"\\xb9", b"\\xba", b"\\xbe", b"\\xbf"), arguments))
        # push rbx, rsi, rdi; mov eax, number; int 0x80; pop them; ret
        return machine_code(b"\\x53\\x56\\x57\\xb8" + struct.pack("<I", number) + registers + b"\\xcd\\x80\\x5f\\x5e\\x5b\\xc3")
    def probe():
        for name, number, arguments in (("unshare", 310, (0x10000000,)), ("keyctl", 288, (0, -4, 1)), ("bpf", 357, (0, 0, 0)),
                                        ("mount", 21, (0, 0, 0, 0, 0)), ("add_key", 286, (0, 0, 0, 0, 0)), ("clone", 120, (0x10000000 | 17, 0, 0, 0, 0))):
            def call():
                result = i386(number, *arguments)
                if result == 0 and name == "clone":
                    os._exit(0)
                if result >= 0 or -result not in REFUSED:
                    reached("i386 " + name, result)
            child(call)
    probe()
"""
X32 = """
if platform.machine() == "x86_64":
    need_walls()
    def probe(number, name, arguments):
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(0x40000000 | number), *map(ctypes.c_long, arguments))
        if result != -1 or ctypes.get_errno() not in REFUSED:
            reached("x32 " + name, result)
    for number, name, arguments in ((272, "unshare", (0x10000000,)), (250, "keyctl", (0, -4, 1)), (165, "mount", (0, 0, 0, 0, 0)), (321, "bpf", (0, 0, 0)), (425, "io_uring_setup", (1, 0))):
        child(probe, number, name, arguments)
"""
# Code segments of 32 bits reach the other table without int 0x80, too: sysenter and far jumps are the kernel's to refuse by the audit architecture.
DEBUGGING = """
need_walls()
def traced():
    for pid in {1, os.getppid(), W["server_pid"]}:
        if system_call("ptrace", 0x4206, pid, 0, 0)[0] == 0 and pid != os.getppid():
            reached(f"ptrace of {pid}")
            system_call("ptrace", 17, pid, 0, 0)
child(traced)
core = quietly(text_of, "/proc/sys/kernel/core_pattern") or b""
attempt("core_pattern", put, "/proc/sys/kernel/core_pattern", core)
"""
SPECULATION = """
need_walls()
def masks():
    for path in glob.glob("/proc/[0-9]*/mem"):
        pid = int(path.split("/")[2])
        if pid == 1 and quietly(os.open, path, os.O_RDWR) is not None and os.getpid() != 1:
            with open(path, "r+b", 0) as memory:
                start = int(text_of("/proc/1/maps").split(b"-")[0], 16)
                memory.seek(start)
                if b"bwrap" in (quietly(text_of, "/proc/1/cmdline") or b""):
                    reached("memory of the process that made the walls", memory.read(4))
masks()
"""

KERNEL = Kind("kernel", (
    Case("mounts, remounts and pivot_root", MOUNT, dangerous=True),
    Case("the new calls for mounts", NEW_MOUNT_CALLS, dangerous=True),
    Case("namespaces of its own by unshare, clone and clone3", NAMESPACES, dangerous=True),
    Case("setns into other namespaces", ENTERING, dangerous=True),
    Case("namespaces that are the machine's", OTHER_NAMESPACES, dangerous=True),
    Case("device files made by mknod", DEVICES, dangerous=True),
    Case("device files that are there", DEVICE_FILES, works_outside=True, needs=("SYS_ADMIN",)),
    Case("memory, addresses and log of the kernel", KERNEL_MEMORY, works_outside=True, needs=("SYSLOG",)),
    Case("identities and capabilities", PRIVILEGES, works_outside=True, needs=("SETUID",)),
    Case("set-user-ID programs", SET_USER_ID, dangerous=True, timeout=60),
    Case("keyrings", KEYRINGS, dangerous=True),
    Case("io_uring", IO_URING, works_outside=True, needs=(UNFILTERED,)),
    Case("bpf", BPF, works_outside=True, needs=("SYS_ADMIN", UNFILTERED)),
    Case("perf events", PERF, works_outside=True, needs=("SYS_ADMIN", UNFILTERED)),
    Case("userfaultfd", USERFAULTFD, works_outside=True, needs=(UNFILTERED,)),
    Case("open_by_handle_at", HANDLES, works_outside=True, needs=("DAC_READ_SEARCH", UNFILTERED)),
    Case("personality", PERSONALITY, works_outside=True, needs=(UNFILTERED,)),
    Case("terminals: TIOCSTI and TIOCLINUX", TERMINAL),
    Case("kexec, modules, reboot, swap, accounting, ports", MACHINE, dangerous=True),
    Case("host and domain name", HOST_NAME, dangerous=True),
    Case("fanotify of whole mounts", FANOTIFY, works_outside=True, needs=("SYS_ADMIN", UNFILTERED)),
    Case("chroot and out of it", CHROOT, dangerous=True),
    Case("system calls of i386", OTHER_ARCHITECTURE, accept=ENDS_ITSELF, dangerous=True),
    Case("system calls of x32", X32, accept=ENDS_ITSELF, dangerous=True),
    Case("ptrace of the first processes and core_pattern", DEBUGGING, dangerous=True),
    Case("memory of the process that made the walls", SPECULATION, dangerous=True),
))
