"""Code that never ends by itself: what the stopping tests stop and what the benchmark times.

Three families. LOOPS and WAITS must be stopped with the session intact; C_CODE holds the
interpreter from C, so its session is lost, and nothing may burn CPU afterwards.
"""

from __future__ import annotations

LOOPS: dict[str, str] = {
    "plain loop": "while True: pass",
    "loop with calls": "def f(n): return n + 1\nn = 0\nwhile True: n = f(n)",
    "loop that swallows BaseException": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    "loop that swallows in nested finally": (
        "def stubborn():\n"
        "    while True:\n"
        "        try:\n"
        "            try:\n"
        "                while True: n = 1\n"
        "            finally:\n"
        "                while True: n = 2\n"
        "        except BaseException:\n"
        "            continue\n"
        "stubborn()"
    ),
    "generator that swallows GeneratorExit": (
        "def numbers():\n"
        "    while True:\n"
        "        try: yield 1\n"
        "        except BaseException: pass\n"
        "for _ in numbers(): pass"
    ),
    "json.loads over and over": (
        "import json\n"
        "text = '[' + '1,' * (2 * 10**5) + '1]'\n"
        "while True: json.loads(text)"
    ),
    "coroutine that never awaits": "async def spin():\n    while True: pass\nawait spin()",
    "loop of prints": "while True: print('x' * 100)",
    "recursion without end in a loop": (
        "def down(): return down()\nwhile True:\n    try: down()\n    except RecursionError: pass"
    ),
    "comprehension over an endless iterator": "import itertools\n[n for n in itertools.count() if n < 0]",
}

WAITS: dict[str, str] = {
    "time.sleep": "import time\ntime.sleep(600)",
    "Lock": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "Lock with a timeout": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire(timeout=600)",
    "RLock": (
        "import threading\n"
        "lock = threading.RLock()\n"
        "taken, release = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with lock:\n"
        "        taken.set()\n"
        "        release.wait()\n"
        "threading.Thread(target=hold).start()\n"
        "taken.wait()\n"
        "lock.acquire()"
    ),
    "Condition": "import threading\ncondition = threading.Condition()\nwith condition: condition.wait()",
    "Event": "import threading\nthreading.Event().wait()",
    "Event with a timeout": "import threading\nthreading.Event().wait(600)",
    "Semaphore": "import threading\nthreading.Semaphore(0).acquire()",
    "Queue": "import queue\nqueue.Queue().get()",
    "Queue that is full": "import queue\nq = queue.Queue(1)\nq.put(1)\nq.put(2)",
    "SimpleQueue": "import queue\nqueue.SimpleQueue().get()",
    "SimpleQueue with a timeout": "import queue\nqueue.SimpleQueue().get(timeout=600)",
    "Thread.join": (
        "import threading\n"
        "release = threading.Event()\n"
        "t = threading.Thread(target=release.wait)\n"
        "t.start()\n"
        "t.join()"
    ),
    "Thread.join with a timeout": (
        "import threading\n"
        "release = threading.Event()\n"
        "t = threading.Thread(target=release.wait)\n"
        "t.start()\n"
        "t.join(600)"
    ),
    "future of a thread pool": (
        "import concurrent.futures, threading\n"
        "release = threading.Event()\n"
        "pool = concurrent.futures.ThreadPoolExecutor(1)\n"
        "pool.submit(release.wait).result()"
    ),
    "socket recv": "import socket\na, b = socket.socketpair()\na.recv(1)",
    "socket recv with a timeout": "import socket\na, b = socket.socketpair()\na.settimeout(600)\na.recv(1)",
    "socket accept": "import socket\ns = socket.create_server(('127.0.0.1', 0))\ns.accept()",
    "socket connect": (
        "import socket\n"
        "server = socket.socket()\n"
        "server.bind(('127.0.0.1', 0))\n"
        "server.listen(0)\n"
        "clients = []\n"
        "while True:\n"
        "    client = socket.socket()\n"
        "    clients.append(client)\n"
        "    client.connect(server.getsockname())"
    ),
    "select.select": "import select, socket\na, b = socket.socketpair()\nselect.select([a], [], [])",
    "select.poll": (
        "import select, socket\na, b = socket.socketpair()\np = select.poll()\np.register(a, select.POLLIN)\np.poll()"
    ),
    "select.epoll": (
        "import select, socket\na, b = socket.socketpair()\np = select.epoll()\np.register(a, select.EPOLLIN)\np.poll()"
    ),
    "os.read on a pipe": "import os\nr, w = os.pipe()\nos.read(r, 1)",
    "os.write to a full pipe": "import os\nr, w = os.pipe()\nwhile True: os.write(w, b'x' * 4096)",
    "os.waitpid": (
        "import os, subprocess\nchild = subprocess.Popen(['sleep', '600'])\nos.waitpid(child.pid, 0)"
    ),
    "os.wait": "import os, subprocess\nchild = subprocess.Popen(['sleep', '600'])\nos.wait()",
    "Popen.wait": "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nchild.wait()",
    "Popen.communicate": (
        "import subprocess\nchild = subprocess.Popen(['sleep', '600'], stdout=subprocess.PIPE)\nchild.communicate()"
    ),
    "subprocess.run": "import subprocess\nsubprocess.run(['sleep', '600'])",
    "os.system": "import os\nos.system('sleep 600')",
    "asyncio.sleep": "import asyncio\nawait asyncio.sleep(600)",
    "asyncio.Event": "import asyncio\nawait asyncio.Event().wait()",
    "asyncio subprocess": (
        "import asyncio\nchild = await asyncio.create_subprocess_exec('sleep', '600')\nawait child.wait()"
    ),
    "asyncio.run": "import asyncio\nasyncio.run(asyncio.sleep(600))",
    "sqlite3 query": (
        "import sqlite3\n"
        "database = sqlite3.connect(':memory:')\n"
        "database.execute('with recursive c(x) as (select 1 union all select x + 1 from c)"
        " select count(*) from c where x < 0').fetchall()"
    ),
    "file lock": (
        "import fcntl, tempfile, os\n"
        "path = tempfile.mkstemp()[1]\n"
        "one, two = open(path), open(path)\n"
        "os.unlink(path)\n"
        "fcntl.flock(one, fcntl.LOCK_EX)\n"
        "fcntl.flock(two, fcntl.LOCK_EX)"
    ),
}

# A stop that is swallowed leaves Python running: the wait must be left again and again.
STUBBORN_WAITS: dict[str, str] = {
    "sleep that swallows": (
        "import time\nwhile True:\n    try: time.sleep(600)\n    except BaseException: pass"
    ),
    "lock that swallows": (
        "import threading\nlock = threading.Lock()\nlock.acquire()\n"
        "while True:\n    try: lock.acquire()\n    except BaseException: pass"
    ),
    "queue that swallows": (
        "import queue\nq = queue.Queue()\nwhile True:\n    try: q.get()\n    except BaseException: pass"
    ),
}

C_CODE: dict[str, str] = {
    "sum over a range": "sum(range(10**11))",
    "a huge power": "10**10**8",
    "regex backtracking": "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
    "sorted with a key in C": "from itertools import repeat\nsorted(range(10**8), key=(10**6).__rmod__)",
    "pbkdf2": "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'x', b'y', 2 * 10**9)",
    "hashing a large buffer over and over": (
        "import hashlib, collections\n"
        "data = bytes(10**7)\n"
        "h = hashlib.sha256()\n"
        "collections.deque(map(h.update, __import__('itertools').repeat(data)), 0)"
    ),
    "an endless iterator consumed in C": (
        "import collections, itertools\ncollections.deque(itertools.count(), 0)"
    ),
    "zlib": (
        "import zlib, collections, itertools\n"
        "data = bytes(10**7)\n"
        "collections.deque(map(zlib.compress, itertools.repeat(data)), 0)"
    ),
    "bytearray.find": (
        "import collections, itertools\n"
        "data = bytearray(10**7)\n"
        "collections.deque(map(data.find, itertools.repeat(b'x')), 0)"
    ),
}
