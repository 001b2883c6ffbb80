"""Checks of the repository that no compiler makes. `./dev tidy` and the suite `checks` run it.

It fails on includes that point the wrong way, on a third-party library outside its room, on banned
calls, on FIXME and on paths of somebody's machine. It only reports (--report) sizes and sources
without a test. Each check is one test in the JUnit file given with --junit.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Which rooms a room may include. main.cpp stands above all of them.
ARROWS = {
    "base": {"base"},
    "mcp": {"mcp", "base"},
    "embed": {"embed", "base"},
    "journal": {"journal", "base"},
    "supervisor": {"supervisor", "journal", "mcp", "base"},
    "host": {"host", "embed", "mcp", "journal", "base"},
    "cli": {"cli", "host", "supervisor", "journal", "embed", "mcp", "base"},
    "http_module": {"http_module", "host", "mcp", "base"},
    "fixture": {"fixture", "host", "mcp", "base"},
    "runner": {"runner", "base"},
    "sandbox": {"sandbox", "base"},
}

# A library and where its headers may be included: folders under src/.
LIBRARY_ROOMS = {
    "Python / pybind11": (re.compile(r"^(Python\.h|pybind11/|internal/pycore|cpython/)"), ("embed/",)),
    "libuv": (re.compile(r"^uv\.h$"), ("host/",)),
    "nlohmann_json": (re.compile(r"^nlohmann/"), ("mcp/",)),
    "SQLite": (re.compile(r"^sqlite3\.h$"), ("host/jobs/",)),
    "libcurl": (re.compile(r"^curl/"), ("host/upstream/http_",)),
    "spdlog": (re.compile(r"^spdlog/"), ("base/", "host/")),
    "libseccomp": (re.compile(r"^seccomp\.h$"), ("host/boundaries/",)),
    "libmicrohttpd": (re.compile(r"^microhttpd\.h$"), ("http_module/",)),
    "cjose": (re.compile(r"^cjose/"), ("http_module/",)),
    "toml++": (re.compile(r"^toml\+\+/"), ("host/upstream/config/",)),
    "CLI11": (re.compile(r"^CLI/"), ("cli/", "fixture/")),
}

# A call, where it is allowed all the same, and what to use instead.
BANNED = [
    (r"\bPyGILState_\w+\s*\(", (), "attach with embed::Attached"),
    (r"\bgil_scoped_(acquire|release)\b", ("embed/attached.h",), "attach with embed::Attached"),
    (r"\bstd::cout\b|(?<![\w:>.])printf\s*\(", (), "stdout is the protocol; log to stderr"),
    (r"(?<![\w:>.])(strcpy|strcat|sprintf|gets|strtok)\s*\(", (), "std::string or fmt::format"),
    (r"\bstd::(async|detach)\b|\.detach\(\)", ("embed/",), "own the thread and join it, or say why not"),
    (r"(?<![\w:>.])(system|popen|fork|vfork)\s*\(", ("embed/interpose", "runner/", "sandbox/", "supervisor/"), "uv_spawn in host"),
    (r"\bstd::shared_ptr<Session>", (), "one owner: the registry"),
    (r"\bPy_Finalize(Ex)?\s*\(|\bPy_EndInterpreter\s*\(", (), "interpreters are reused and the process ends with _exit"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TEXT_SUFFIXES = {".h", ".c", ".cpp", ".py", ".mjs", ".md", ".txt", ".sh", ".cmake", ".json", ".list", ".supp", ""}


def tracked(*folders: str) -> list[Path]:
    """Files git knows or would add, so that a forgotten `git add` is checked too."""
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *folders],
                           cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sources(*folders: str) -> list[Path]:
    return [path for path in tracked(*folders) if path.suffix in {".h", ".c", ".cpp"}]


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    yield from enumerate(text.splitlines(), start=1)


def includes(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in numbered_lines(path):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(2)


def without_comment(line: str) -> str:
    return line.split("//", 1)[0]


# --- the checks: each yields one sentence for each thing it found ----------------------------------


def check_include_direction() -> Iterator[str]:
    for path in sources("src"):
        name = path.relative_to(ROOT / "src").as_posix()
        room = name.split("/")[0]
        if room not in ARROWS:
            continue
        for number, header in includes(path):
            target = header.split("/")[0]
            if target in ARROWS and target not in ARROWS[room]:
                yield f"src/{name}:{number} includes {header}: {room} may include only {', '.join(sorted(ARROWS[room]))}"


def check_library_rooms() -> Iterator[str]:
    for path in sources("src"):
        name = path.relative_to(ROOT / "src").as_posix()
        for number, header in includes(path):
            for library, (pattern, rooms) in LIBRARY_ROOMS.items():
                if pattern.match(header) and not name.startswith(rooms):
                    yield f"src/{name}:{number} includes {header}: {library} belongs to {', '.join(rooms)}"


def check_banned_calls() -> Iterator[str]:
    for path in sources("src"):
        name = path.relative_to(ROOT / "src").as_posix()
        for number, line in numbered_lines(path):
            code = without_comment(line)
            for pattern, allowed, instead in BANNED:
                if re.search(pattern, code) and not (allowed and name.startswith(allowed)):
                    yield f"src/{name}:{number} {code.strip()[:60]}: banned; {instead}"


def check_pragma_once() -> Iterator[str]:
    for path in sources("src", "tests", "bench"):
        if path.suffix == ".h" and "#pragma once" not in path.read_text(encoding="utf-8"):
            yield f"{relative(path)} has no #pragma once"


def check_no_fixme() -> Iterator[str]:
    word = "FIX" + "ME"
    for path in tracked():
        if path.suffix in TEXT_SUFFIXES and path != Path(__file__).resolve() and not path.suffix == ".md":
            for number, line in numbered_lines(path):
                if word in line:
                    yield f"{relative(path)}:{number} {word} can't be merged: mend it, or make it a TODO(perf|safety|cleanup|port)"


def check_todo_has_a_kind() -> Iterator[str]:
    for path in tracked("src", "python", "tests", "tools"):
        if path.suffix in {".h", ".c", ".cpp", ".py"} and path != Path(__file__).resolve():
            for number, line in numbered_lines(path):
                if re.search(r"\bTODO\b(?!\((perf|safety|cleanup|port)\))", line):
                    yield f"{relative(path)}:{number} a TODO needs a kind: TODO(perf|safety|cleanup|port)"


def check_no_machine_paths() -> Iterator[str]:
    pattern = re.compile(r"(?<![\w.])/(root|home/[a-z]\w*|Users/[A-Za-z]\w*)/\.?\w")
    for path in tracked():
        if path.suffix in TEXT_SUFFIXES and path != Path(__file__).resolve():
            for number, line in numbered_lines(path):
                if pattern.search(line):
                    yield f"{relative(path)}:{number} holds a path of one machine: {line.strip()[:80]}"


def check_runtime_is_standard_library_only() -> Iterator[str]:
    pattern = re.compile(r"^\s*(?:import|from)\s+([A-Za-z_]\w*)")
    ours = {"mcp_runtime", "mcp_services", "python_mcp_server", "mcp_code_execution_mode", "_pyember", "__future__"}
    for path in tracked("python"):
        if path.suffix != ".py":
            continue
        known = set(sys.stdlib_module_names) | ours
        if path == ROOT / "python" / "mcp_services" / "env_files.py":
            known.add("dotenv")  # the one package the server brings along, for .env files
        for number, line in numbered_lines(path):
            match = pattern.match(line)
            # Prose in a docstring may begin with "from"; an import has nothing but names after it.
            if match and match.group(1) not in known and re.match(r"^\s*(import\s+[\w., ]+|from\s+[\w.]+\s+import\s)", line):
                yield f"{relative(path)}:{number} imports {match.group(1)}: what is in python/ is standard library only"


def check_scripts_parse() -> Iterator[str]:
    scripts = [path for path in tracked("dev", ".ci", "tools") if path.suffix == ".sh" or path.name in {"dev", "run", "find_python"}]
    for path in scripts:
        done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
        if done.returncode:
            yield f"{relative(path)}: {done.stderr.strip()}"


CHECKS: list[Callable[[], Iterator[str]]] = [
    check_include_direction,
    check_library_rooms,
    check_banned_calls,
    check_pragma_once,
    check_no_fixme,
    check_todo_has_a_kind,
    check_no_machine_paths,
    check_runtime_is_standard_library_only,
    check_scripts_parse,
]


# --- what is only reported ------------------------------------------------------------------------


def report_sizes() -> None:
    for path in sources("src"):
        lines = sum(1 for _ in numbered_lines(path))
        if lines > (200 if path.suffix == ".h" else 400):
            print(f"note: {relative(path)} has {lines} lines")
    tests = {path.name.removesuffix("_test.cpp") for path in tracked("tests") if path.name.endswith("_test.cpp")}
    for path in sources("src"):
        if path.suffix == ".cpp" and path.stem not in tests:
            print(f"note: {relative(path)} has no {path.stem}_test.cpp")


def title(check: Callable[[], Iterator[str]]) -> str:
    return check.__name__.removeprefix("check_").replace("_", " ")


def write_junit(path: Path, found: dict[str, list[str]]) -> None:
    suite = ElementTree.Element("testsuite", name="checks", tests=str(len(found)))
    for name, problems in found.items():
        case = ElementTree.SubElement(suite, "testcase", classname="tidy", name=name)
        if problems:
            ElementTree.SubElement(case, "failure", message=problems[0]).text = "\n".join(problems)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--junit", type=Path, help="write the outcome of each check here")
    parser.add_argument("--report", action="store_true", help="also list long files and untested sources")
    options = parser.parse_args()

    found = {title(check): list(check()) for check in CHECKS}
    for name, problems in found.items():
        print(f"{'FAILED' if problems else 'ok':<7}{name}")
        for problem in problems:
            print(f"       {problem}")
    if options.junit:
        write_junit(options.junit, found)
    if options.report:
        report_sizes()
    sys.exit(1 if any(found.values()) else 0)


if __name__ == "__main__":
    main()
