"""A session that was closed leaves nothing behind for the next one in the same interpreter."""

from __future__ import annotations

import pytest
from laboratory import run

# What one session does, and the expression by which the next would notice it.
TRACES = {
    "a name": ("x = 1", "'x' in globals()"),
    "a module": ("import json", "'json' in __import__('sys').modules"),
    "a changed module": ("import os; os.path.join = None", "__import__('os').path.join is None"),
    "a deleted function": ("import os; del os.getcwd", "not hasattr(__import__('os'), 'getcwd')"),
    "a changed class": ("import io; io.TextIOBase.x = 1; import os; os._Environ.get = None",
                        "__import__('os')._Environ.get is None or "
                        "hasattr(__import__('io').TextIOBase, 'x')"),
    "changed code": ("import os; os.makedirs.__code__ = (lambda *a: 1).__code__",
                     "__import__('os').makedirs.__code__.co_name == '<lambda>'"),
    "a builtin": ("import builtins; builtins.len = None; builtins.mine = 1",
                  "len is None or 'mine' in dir(__builtins__)"),
    "sys.path": ("import sys; sys.path.append('/x'); sys.path_hooks.clear(); sys.meta_path.clear()",
                 "(lambda s: '/x' in s.path or not s.path_hooks or not s.meta_path)"
                 "(__import__('sys'))"),
    "a new list as sys.path": ("import sys; sys.path = ['/x']", "__import__('sys').path == ['/x']"),
    "the recursion limit": ("import sys; sys.setrecursionlimit(77)",
                            "__import__('sys').getrecursionlimit() == 77"),
    "integer digits": ("import sys; sys.set_int_max_str_digits(0)",
                       "__import__('sys').get_int_max_str_digits() == 0"),
    "hooks": ("import sys; sys.excepthook = sys.displayhook = print",
              "__import__('sys').excepthook is print"),
    "a trace function": ("import sys; sys.settrace(lambda *a: None)",
                         "__import__('sys').gettrace() is not None"),
    "a profiler": ("import sys; sys.setprofile(lambda *a: None)",
                   "__import__('sys').getprofile() is not None"),
    "monitoring": ("import sys; m = sys.monitoring; m.use_tool_id(3, 'x'); m.set_events(3, 1)",
                   "__import__('sys').monitoring.get_tool(3) is not None"),
    "the collector off": ("import gc; gc.disable(); gc.set_threshold(1); gc.callbacks.append(print)",
                          "(lambda g: not g.isenabled() or g.get_threshold()[0] == 1 or g.callbacks)"
                          "(__import__('gc'))"),
    "decimal's context": ("import decimal; decimal.getcontext().prec = 3",
                          "__import__('decimal').getcontext().prec == 3"),
    "a context variable": ("import contextvars; v = contextvars.ContextVar('v'); v.set(1)",
                           "any(v.name == 'v' for v in __import__('contextvars').copy_context())"),
    "the working directory": ("import os; os.chdir('/')", "__import__('os').getcwd() == '/'"),
    "the umask": ("import os; os.umask(0o77)", "__import__('os').umask(0o22) == 0o77"),
    "logging": ("import logging; logging.basicConfig(level=1); logging.disable()",
                "(lambda l: l.root.handlers or l.root.manager.disable)(__import__('logging'))"),
    "warning filters": ("import warnings; warnings.simplefilter('error')",
                        "any(f[0] == 'error' for f in __import__('warnings').filters)"),
    "random seeds": ("import random; random.seed(1)",
                     "__import__('random').random() == 0.13436424411240122"),
    "a codec": ("import codecs; codecs.register(lambda n: codecs.lookup('utf-8') if n == 'mine' "
                "else None); 'a'.encode('mine')",
                "(lambda c: c.lookup('mine'))(__import__('codecs'))"),
    "an abstract base": ("import collections.abc; collections.abc.Sequence.register(dict)",
                         "issubclass(dict, __import__('collections').abc.Sequence)"),
    "the source cache": ("import linecache; linecache.cache['x'] = (1, None, ['y'], 'x')",
                         "'x' in __import__('linecache').cache"),
    "a signal mask": ("import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})",
                      "bool(__import__('signal').pthread_sigmask(0, ()))"),
    "the running loop": ("import asyncio; asyncio._set_running_loop(asyncio.new_event_loop())",
                         "__import__('asyncio')._get_running_loop() is not None"),
    "our own modules": ("import mcp_runtime.session as s, mcp_runtime.inprocess.environment as e\n"
                        "s.Session.names = None; e.MARK = 5; s.new = 1\n"
                        "import mcp_runtime.inprocess.baseline as b\n"
                        "b.Baseline.restore = lambda self: True; b.Baseline.rescue = None",
                        "(lambda m: m['mcp_runtime.session'].Session.names is None or "
                        "hasattr(m['mcp_runtime.session'], 'new') or "
                        "m['mcp_runtime.inprocess.environment'].MARK == 5)"
                        "(__import__('sys').modules)"),
}


@pytest.mark.parametrize("trace", TRACES)
def test_no_trace_is_left_of(trace: str) -> None:
    leave, look = TRACES[trace]
    laboratory = run([leave, look], [look])
    (left, seen), (gone,) = laboratory.sessions
    assert left.status == 0, left
    if trace not in ("the source cache",):
        assert seen.result not in (None, "False", "[]"), f"the trace was never there: {seen}"
    missing = gone.status == 1 and gone.error and gone.error[0] in ("LookupError", "KeyError")
    assert missing or gone.result in (None, "False", "[]", "0"), gone
    assert laboratory.clean[0] is True


VANDALISM = {
    "modules": "import sys; sys.modules.clear()",
    "builtins": "import builtins; builtins.__dict__.clear()",
    "os": "import os\nfor name in list(vars(os)): delattr(os, name)",
    "posix": "import posix\nfor name in list(vars(posix)): delattr(posix, name)",
    "sys": "import sys\nfor name in list(vars(sys)): delattr(sys, name)",
    "gc": "import gc; gc.collect = gc.enable = gc.get_debug = None",
    "our modules": "import sys\nfor name, module in list(sys.modules.items()):\n"
                   "    if name.startswith('mcp_runtime'): module.__dict__.clear()",
    "our classes": "import sys\nfor name, module in list(sys.modules.items()):\n"
                   "    if name.startswith('mcp_runtime'):\n"
                   "        for value in list(vars(module).values()):\n"
                   "            if isinstance(value, type):\n"
                   "                for key in [k for k in vars(value) if k[:2] != '__']:\n"
                   "                    try: delattr(value, key)\n"
                   "                    except (AttributeError, TypeError): pass",
    "finalisers": "class D:\n    def __del__(self):\n        import sys; sys.modules['again'] = self\n"
                  "        raise ValueError\nd = D(); e = D(); e.me = e",
    "exit handlers": "import atexit\ndef bad(): raise SystemExit(3)\natexit.register(bad)",
    "import hooks": "import sys\nclass F:\n    def find_spec(*a): raise ValueError\n"
                    "sys.meta_path.insert(0, F())",
}


@pytest.mark.parametrize("kind", VANDALISM)
def test_the_interpreter_survives_vandalism_of(kind: str) -> None:
    laboratory = run([VANDALISM[kind]], ["import os, json; json.dumps([1 + 1, len(os.getcwd()) > 0])"])
    assert laboratory.clean[0] is True
    assert laboratory.sessions[1][0].result == "'[2, true]'", laboratory.sessions[1]


def test_what_cannot_be_taken_back_retires_the_interpreter() -> None:
    assert run(["import sys; sys.addaudithook(lambda *a: None)"]).clean == [False]


def test_a_thread_that_lives_on_retires_the_interpreter() -> None:
    laboratory = run(["import threading, time; threading.Thread(target=time.sleep, args=(30,), "
                      "daemon=True).start()"])
    assert laboratory.clean == [False]


def test_exit_handlers_run_when_the_session_closes() -> None:
    laboratory = run(["import atexit, os; atexit.register(os.write, 1, b'farewell')"], ["1"])
    assert laboratory.output.count("farewell") == 1
    assert laboratory.clean == [True, True]


HEAVY = ("import asyncio, json, decimal, sqlite3, logging, dataclasses, re, datetime, typing, "
         "threading, subprocess, random, hashlib, pathlib, csv, traceback, pickle, ssl, ctypes\n"
         "await asyncio.sleep(0)")


def test_memory_stays_flat_over_sessions_that_import_much() -> None:
    measure = ("import gc\n"
               "int(open('/proc/self/smaps_rollup').read().split('Pss:')[1].split()[0]), "
               "len(gc.get_objects())")
    sessions = [[HEAVY, measure]] * 60
    laboratory = run(*sessions)
    assert all(laboratory.clean)
    measured = [eval(cells[1].result or "") for cells in laboratory.sessions]
    (early, early_objects), (late, late_objects) = measured[20], measured[-1]
    assert late <= early * 1.1
    assert late_objects <= early_objects * 1.01
