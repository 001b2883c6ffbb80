"""Reaching anything by a socket: the machine's ports, names, abstract and named sockets, the hypervisor."""

from __future__ import annotations

from tests.hostile.escapes.case import Case, Kind

TCP = """
for address in (("127.0.0.1", W["tcp"]), ("0.0.0.0", W["tcp"]), ("127.8.8.8", W["tcp_any"]), *[(each, W["tcp_any"]) for each in W["addresses"]]):
    quietly(say_hello, socket.AF_INET, address)
"""
TCP6 = """
for address in ("::1", "::ffff:127.0.0.1", "::"):
    quietly(say_hello, socket.AF_INET6, (address, W["tcp6"]))
    quietly(say_hello, socket.AF_INET6, (address, W["tcp"]))
"""
UDP = """
for address in ["127.0.0.1", *W["addresses"]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        quietly(each.sendto, b"case " + W["case"].encode(), (address, W["udp"]))
        each.settimeout(0.5)
        attempt("an answer by UDP", each.recv, 100)
"""
NAMES = """
for name in W["names"]:
    quietly(lambda: reached(name, socket.getaddrinfo(name, 80)[0][4]))
query = b"\\x12\\x34\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0\\x07example\\x03org\\0\\0\\x01\\0\\x01"
for server in ("127.0.0.53", "127.0.0.11", "10.0.2.3", "8.8.8.8", "1.1.1.1", *W["resolvers"]):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.settimeout(0.2)
        if quietly(each.sendto, query, (server, 53)):
            attempt("an answer of " + server, each.recv, 512)
"""
FAR_AWAY = """
for address in (("169.254.169.254", 80), ("192.0.2.1", 80), ("1.1.1.1", 443), ("10.0.2.2", 80), ("100.100.100.200", 80)):
    with socket.socket() as each:
        each.settimeout(0.3)
        try:
            each.connect(address)
            reached("connected", address)
        except ConnectionRefusedError:
            reached("refused by somebody", address)
        except TimeoutError:
            reached("packets leave for", address)
        except OSError:
            pass  # no route, no network
"""
INTERFACES = """
others = [name for _, name in quietly(socket.if_nameindex) or [] if name != "lo"]
tunnels = ("tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0", "ifb0", "ifb1", "dummy0", "bond0", "teql0")
others = [name for name in others if not (walled() and name in tunnels)]  # the kernel makes those in every namespace
if others:
    reached("interfaces", others)
import fcntl
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
    for name in ["lo", "tunl0", "sit0", "eth1"]:
        if walled():
            attempt("flags of " + name, fcntl.ioctl, each, 0x8914, struct.pack("16sh14x", name.encode(), 1))
"""
RAW = """
for what, arguments in (("raw", (socket.AF_INET, socket.SOCK_RAW, 1)), ("raw 6", (socket.AF_INET6, socket.SOCK_RAW, 58)),
                        ("packet", (socket.AF_PACKET, socket.SOCK_RAW, 0x300)), ("packets without headers", (socket.AF_PACKET, socket.SOCK_DGRAM, 0x300))):
    attempt(what, lambda: socket.socket(*arguments).close())
"""
FAMILIES = """
need_walls()
for number, name in {3: "AX25", 4: "IPX", 5: "APPLETALK", 8: "ATMPVC", 9: "X25", 15: "KEY", 19: "ECONET", 21: "RDS", 22: "SNA", 24: "PPPOX", 26: "LLC", 27: "IB",
                     28: "MPLS", 29: "CAN", 30: "TIPC", 31: "BLUETOOTH", 32: "IUCV", 33: "RXRPC", 35: "PHONET", 36: "IEEE802154", 37: "CAIF",
                     38: "ALG", 39: "NFC", 41: "KCM", 42: "QIPCRTR", 43: "SMC", 44: "XDP", 45: "MCTP"}.items():
    for kind in (1, 2, 3, 5):
        try:
            socket.socket(number, kind, 0).close()
            reached(f"AF_{name}", kind)
        except OSError:
            pass
"""
HYPERVISOR = """
try:
    each = socket.socket(40, socket.SOCK_STREAM)  # AF_VSOCK knows no namespaces
    reached("AF_VSOCK")
    each.close()
except OSError:
    pass
for path in ("/dev/vsock", "/dev/vhost-vsock"):
    attempt(path, lambda: os.close(os.open(path, os.O_RDONLY)))
"""
NETLINK = """
need_walls()
for number, name in {4: "SOCK_DIAG", 6: "XFRM", 7: "SELINUX", 9: "AUDIT", 12: "NETFILTER", 15: "KOBJECT_UEVENT"}.items():
    with quietly(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, number) or open("/dev/null") as each:
        if isinstance(each, socket.socket) and name in ("AUDIT", "NETFILTER", "XFRM", "KOBJECT_UEVENT"):
            def ask():
                each.settimeout(0.2)
                each.bind((0, 1 if name == "KOBJECT_UEVENT" else 0))
                if name == "KOBJECT_UEVENT":
                    return each.recv(100)  # events of the machine
                message = struct.pack("<IHHII", 16, 1000 if name == "AUDIT" else 0x12, 5, 1, 0)
                each.send(message)
                answer = each.recv(4096)
                number = struct.unpack_from("<i", answer, 16)[0] if struct.unpack_from("<H", answer, 4)[0] == 2 else 0
                if number:
                    raise OSError(-number, "")
            attempt("netlink " + name, ask)
"""
ABSTRACT = """
quietly(say_hello, socket.AF_UNIX, W["abstract"])
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as each:
    quietly(lambda: each.sendto(b"case " + W["case"].encode(), W["abstract_datagrams"]) and reached("a datagram"))
for line in (quietly(text_of, "/proc/net/unix", 1 << 20) or b"").splitlines()[1:]:
    name = line.split()[-1]
    if name.startswith(b"@") and (walled() or W["tag"].encode() in name):
        quietly(say_hello, socket.AF_UNIX, b"\\0" + name[1:])
"""
NAMED = """
for path in W["named"]:
    quietly(say_hello, socket.AF_UNIX, path)
"""
# Whatever listens in this file system: docker, podman, D-Bus, the server, an agent of ssh.
ANY_NAMED = """
for name in ("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "CONTAINER_HOST", "WAYLAND_DISPLAY", "DISPLAY", "XDG_RUNTIME_DIR", "GPG_AGENT_INFO"):
    if name in os.environ:
        reached("environment", name)
for root in ["/"] if walled() else W["socket_folders"]:
    for folder, folders, names in os.walk(root):
        folders[:] = [each for each in folders if os.path.join(folder, each) not in ("/proc", "/sys", "/usr")]
        for name in names:
            path = os.path.join(folder, name)
            if quietly(lambda: stat.S_ISSOCK(os.lstat(path).st_mode)):
                for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
                    quietly(say_hello, socket.AF_UNIX, path, kind)
"""
# A room's own control socket serves one, who is there already.
CONTROL = """
need_walls()
paths = ["/ipc/control.sock", *glob.glob("/ipc/*"), *glob.glob("/run/pyember/*")]
for path in paths:
    for kind in (socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
        quietly(say_hello, socket.AF_UNIX, path, kind)
attempt("a socket in /ipc", lambda: socket.socket(socket.AF_UNIX).bind("/ipc/other.sock"))
attempt("a file in /ipc", lambda: open("/ipc/other", "w").close())
"""

NETWORK = Kind("network", (
    Case("TCP to the machine", TCP, works_outside=True),
    Case("TCP over IPv6 to the machine", TCP6, works_outside=True),
    Case("UDP to the machine", UDP, works_outside=True),
    Case("names: DNS and the resolver", NAMES, timeout=30),
    Case("far away: metadata services and the world", FAR_AWAY),
    Case("interfaces and their flags", INTERFACES, works_outside=True),
    Case("raw and packet sockets", RAW, works_outside=True, needs=("NET_RAW",)),
    Case("rare socket families", FAMILIES, dangerous=True),
    Case("the hypervisor by vsock", HYPERVISOR),
    Case("netlink: audit, firewall, events of the machine", NETLINK, dangerous=True),
    Case("abstract sockets of the machine", ABSTRACT, works_outside=True),
    Case("named sockets of the machine", NAMED, works_outside=True),
    Case("any named socket there is: docker, D-Bus, agents", ANY_NAMED, works_outside=True, timeout=60),
    Case("the room's own control socket", CONTROL, dangerous=True),
))
