"""tools/tidy.py finds what it is there to find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import tidy  # noqa: E402


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=60)
    monkeypatch.setattr(tidy, "ROOT", tmp_path)
    return tmp_path


def write(repository: Path, name: str, text: str) -> None:
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


WRONG = [
    (tidy.check_include_direction, "src/mcp/a.cpp", '#include "embed/session.h"\n'),
    (tidy.check_include_direction, "src/embed/a.cpp", '#include "mcp/server.h"\n'),
    (tidy.check_include_direction, "src/base/a.h", '#include "host/app.h"\n'),
    (tidy.check_library_rooms, "src/host/a.cpp", "#include <Python.h>\n"),
    (tidy.check_library_rooms, "src/host/a.cpp", "#include <pybind11/embed.h>\n"),
    (tidy.check_library_rooms, "src/mcp/a.cpp", "#include <uv.h>\n"),
    (tidy.check_library_rooms, "src/host/a.cpp", "#include <nlohmann/json.hpp>\n"),
    (tidy.check_banned_calls, "src/embed/a.cpp", "  PyGILState_Ensure();\n"),
    (tidy.check_banned_calls, "src/host/a.cpp", '  std::cout << "hello";\n'),
    (tidy.check_banned_calls, "src/host/a.cpp", '  sprintf(buffer, "%d", n);\n'),
    (tidy.check_pragma_once, "src/base/a.h", "int a();\n"),
    (tidy.check_no_fixme, "src/base/a.cpp", "// FIX" "ME later\n"),
    (tidy.check_todo_has_a_kind, "src/base/a.cpp", "// TO" "DO: later\n"),
    (tidy.check_no_machine_paths, "README.md", "see /home" "/someone/notes\n"),
    (tidy.check_runtime_is_standard_library_only, "python/mcp_runtime/a.py", "import numpy\n"),
    (tidy.check_scripts_parse, "tools/dev/a.sh", "if true; then\n"),
]


@pytest.mark.parametrize(("check", "name", "text"), WRONG, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_wrong_is_found(repository: Path, check, name: str, text: str) -> None:
    write(repository, name, text)
    found = list(check())
    assert len(found) == 1
    assert found[0].startswith(name)


def test_what_is_right_is_left_alone(repository: Path) -> None:
    write(repository, "src/host/a.cpp", '#include "embed/session.h"\n#include "mcp/server.h"\n#include <uv.h>\n')
    write(repository, "src/embed/a.cpp", '#include <Python.h>\n#include "base/check.h"\n// PyGILState_ is banned\n')
    write(repository, "src/base/a.h", "#pragma once\nstd::snprintf(b, 2, x); // TODO(perf): faster\n")
    write(repository, "python/mcp_runtime/a.py", '"""Text\nfrom somewhere\n"""\nimport sys\n')
    for check in tidy.CHECKS:
        assert list(check()) == []


def test_a_finding_ends_with_exit_code_1(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repository, "src/base/a.h", "int a();\n")
    monkeypatch.setattr(sys, "argv", ["tidy.py"])
    with pytest.raises(SystemExit) as end:
        tidy.main()
    assert end.value.code == 1
