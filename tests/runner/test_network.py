"""--no-network holds: the program reaches nothing outside itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from conftest import Runners
from test_limits import without_namespaces

CONNECT = """
import socket, sys
kind, address = sys.argv[1], eval(sys.argv[2])
try:
    with socket.socket(getattr(socket, kind)) as s:
        s.settimeout(5)
        s.connect(address)
        print('connected')
except OSError as error:
    print('refused', error)
"""


@pytest.fixture
def listeners() -> Iterator[dict[str, object]]:
    """What listens on this machine, outside of the run."""
    four = socket.create_server(("127.0.0.1", 0))
    six = socket.create_server(("::1", 0), family=socket.AF_INET6) if socket.has_ipv6 else None
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0pyember-runner-test-{os.getpid()}")
    abstract.listen()
    try:
        yield {"AF_INET": four.getsockname(), "AF_INET6": six.getsockname() if six else ("::1", 9),
               "AF_UNIX": abstract.getsockname()}
    finally:
        for each in (four, six, abstract):
            if each:
                each.close()


@pytest.mark.parametrize("kind", ["AF_INET", "AF_INET6", "AF_UNIX"])
def test_a_listener_of_this_machine_is_out_of_reach(anyone: Runners, listeners: dict[str, object], kind: str) -> None:
    address = repr(listeners[kind])
    open_run = anyone.run_python(CONNECT, kind, address)
    if kind != "AF_INET6":  # a machine without IPv6 has nothing to be kept from
        assert open_run.stdout == b"connected\n"
    run = anyone.run_python(CONNECT, kind, address, options=["--no-network"])
    assert run.record()["kept_by"] == {"network": "namespace"}
    assert run.stdout.startswith(b"refused")


def test_the_program_can_talk_to_itself(anyone: Runners) -> None:
    code = ("import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
            "client = socket.create_connection(server.getsockname())\nserver.accept()[0].sendall(b'hi')\n"
            "print(client.recv(2))")
    run = anyone.run_python(code, options=["--no-network"])
    assert (run.stdout, run.record()["exit_code"]) == (b"b'hi'\n", 0)


def test_nothing_leads_back_into_the_machines_network(anyone: Runners, listeners: dict[str, object]) -> None:
    """Not even for root, who may join any namespace outside of one."""
    code = ("import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "for pid in (1, os.getppid()):\n    try:\n        fd = os.open(f'/proc/{pid}/ns/net', os.O_RDONLY)\n"
            "    except OSError as error:\n        print('refused', error); continue\n"
            "    print('joined' if libc.setns(fd, 0x40000000) == 0 else 'refused')")
    run = anyone.run_python(code, options=["--no-network"])
    assert [line.split()[0] for line in run.stdout.decode().splitlines()] == ["refused", "refused"]


def test_children_are_kept_from_it_too(anyone: Runners, listeners: dict[str, object]) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]], start_new_session=True)"
    run = anyone.run_python(code, CONNECT, "AF_INET", repr(listeners["AF_INET"]), options=["--no-network"])
    assert run.stdout.startswith(b"refused")


@pytest.mark.parametrize("kind", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"])
def test_without_namespaces_a_filter_of_sockets_stands_in(anyone: Runners, listeners: dict[str, object], kind: str) -> None:
    run = anyone.run_python("import socket, sys\ntry:\n    socket.socket(getattr(socket, sys.argv[1]), socket.SOCK_RAW if"
                            " sys.argv[1] in ('AF_PACKET', 'AF_NETLINK') else socket.SOCK_STREAM); print('made')\n"
                            "except OSError as error: print('refused', error.errno)",
                            kind, options=["--no-network"], before=without_namespaces())
    record = run.record()
    assert record["error"] is None
    assert record["kept_by"] == {"network": "socket_filter"}
    assert run.stdout == b"refused 13\n"  # EACCES


def test_the_filter_leaves_local_sockets_and_all_else_alone(anyone: Runners) -> None:
    code = ("import socket, subprocess, asyncio, sys\na, b = socket.socketpair()\na.sendall(b'x')\nprint(b.recv(1))\n"
            "socket.socket(socket.AF_UNIX).close()\n"
            "print(asyncio.run(asyncio.sleep(0, 'slept')))\n"
            "print(subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout)")
    run = anyone.run_python(code, options=["--no-network"], before=without_namespaces())
    assert run.stdout == b"b'x'\nslept\nb'1\\n'\n"


def test_the_filter_refuses_the_other_ways_to_a_socket(anyone: Runners) -> None:
    code = ("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "for number in (425, 0x40000029):\n"  # io_uring_setup; socket by its x32 number
            "    ctypes.set_errno(0); result = libc.syscall(number, 2, 1, 0, 0)\n"
            "    print(result, ctypes.get_errno())")
    run = anyone.run_python(code, options=["--no-network"], before=without_namespaces())
    assert run.stdout == b"-1 13\n-1 13\n"
