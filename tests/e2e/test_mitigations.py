"""The mitigations of docs/threads.md, each shown on and, by a test-only switch, off.

Those that only show when an interpreter is ended are in tests/embed/mitigation_test.cpp.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.support.raw_client import NoAnswer, RawClient

SINGLE_PHASE = r"""
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "oldstyle", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_oldstyle(void) { return PyModule_Create(&definition); }
"""

MAPPED = "print('oldstyle' in open('/proc/thread-self/maps').read())"


def server(switches: str = "", **options: str) -> RawClient:
    environment = {**os.environ, "PYEMBER_TEST_SWITCHES": switches, **options}
    return RawClient(environment=environment)


def python_of(client: RawClient) -> str:
    answer = client.run("import sys; print(sys.executable)")
    return answer.stdout.strip()


def test_children_run_the_embedded_python() -> None:
    with server() as client:
        executable = python_of(client)
        code = "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.version)'], capture_output=True, text=True).stdout.strip() == sys.version)"
        assert client.run(code).stdout == "True\n"
    with server("no_executable") as client:
        assert python_of(client) != executable


def test_a_main_interpreter_that_holds_its_gil_blocks_sessions() -> None:
    with server() as client:
        assert client.run("1 + 1", wait=60).status == "completed"
    client = server("hold_main_gil")
    try:
        with pytest.raises(NoAnswer):
            client.run("import json, asyncio, decimal\n1 + 1", wait=5)
    finally:
        client.kill()


def build_extension(folder: Path) -> None:
    (folder / "oldstyle.c").write_text(SINGLE_PHASE)
    include = sysconfig.get_path("include")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    command = ["cc", "-shared", "-fPIC", "-I", include, "oldstyle.c", "-o", "oldstyle" + suffix]
    subprocess.run(command, cwd=folder, check=True)


def test_an_extension_that_can_not_load_is_never_mapped(tmp_path: Path) -> None:
    build_extension(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport oldstyle"
    with server() as client:
        answer = client.run(code)
        assert answer.error["type"] == "ImportError"
        assert client.run(MAPPED).stdout == "False\n"
    with server("no_loader_hook") as client:
        assert client.run(code).error["type"] == "ImportError"
        assert client.run(MAPPED).stdout == "True\n"
