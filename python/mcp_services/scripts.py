"""Looks at scripts, without executing them: inline metadata (PEP 723), docstring, imports."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence
    from typing import Any

    Header = dict[str, Any]

MAXIMUM_DOCSTRING = 300
# Characters of a script whose syntax tree is built; a tree takes a hundred times as much.
MAXIMUM_SCANNED = 1 << 20
MAXIMUM_BYTES = 16 << 20

_BLOCK = re.compile(
    r"^# /// (?P<type>[a-zA-Z0-9-]+)[ \t]*$\s(?P<content>(^#(| .*)$\s)+)^# ///[ \t]*$", re.MULTILINE
)
_ENCODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


def inspect_script(
    source: str | None,
    path: str | None = None,
    directory: str | None = None,
    python_version: str | None = None,
    dependencies: Sequence[str] = (),
    project: str | None = None,
    scan: bool = True,
) -> dict[str, Any]:
    """What can be said about a script before it runs; a broken script is an answer, no error.

    Without a source the file at `path` is read. A script with a header says itself what it needs:
    its imports are not looked at. `project` is a folder with a pyproject.toml, whose dependencies are
    told, and there without being looked for.
    """
    text = _read(path) if source is None else source
    header, header_error = _header(text)
    tree, syntax_error = _parse(text)
    of_project = _project_dependencies(project) if project else []
    added: list[str] = []
    if scan and tree is not None and header is None and header_error is None:
        from mcp_services.imports import Surroundings, packages_needed

        folders = [os.path.dirname(os.path.abspath(path))] if path else []
        if directory:
            folders.append(directory)
        added = packages_needed(tree, Surroundings(folders, _version(python_version)), [*dependencies, *of_project])
    return {
        "header": header,
        "header_error": header_error,
        "docstring": _docstring(tree),
        "imports_added": added,
        "project_dependencies": of_project,
        "syntax_error": syntax_error,
    }


def describe_scripts(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Docstring and header of each file, for a list; of one that can't be read: nothing."""
    described = []
    for path in paths:
        try:
            text = _read(path)
        except (OSError, ValueError, LookupError):
            text = ""
        described.append({"docstring": _docstring(_parse(text)[0]), "header": _header(text)[0]})
    return described


def add_header(
    source: str, dependencies: Sequence[str] | None = None, requires_python: str | None = None
) -> str:
    """The source with a PEP 723 block, unless it has one or there is nothing to say.

    It goes in front, but behind a `#!` line and a line that names the file's encoding, which count
    only where they stand.
    """
    if (not dependencies and not requires_python) or _blocks(_lf(source)):
        return source
    lines = ["# /// script\n"]
    if requires_python:
        lines.append(f"# requires-python = {_toml(requires_python)}\n")
    if dependencies:
        lines.append("# dependencies = [\n")
        lines += [f"#     {_toml(dependency)},\n" for dependency in dependencies]
        lines.append("# ]\n")
    lines.append("# ///\n")
    body = source.splitlines(keepends=True)
    front = 0
    if body and body[0].startswith("#!"):
        front = 1
    if len(body) > front and _ENCODING.match(body[front]):
        front += 1
    if front and not body[front - 1].endswith(("\n", "\r")):
        body[front - 1] += "\n"
    rest = "".join(body[front:])
    gap = "\n" if rest and not rest.startswith(("\n", "\r")) else ""
    return "".join(body[:front]) + "".join(lines) + gap + rest


def project_python(directory: str) -> str | None:
    """The first N.N of project.requires-python in the directory's pyproject.toml; None: unknown."""
    wanted = _project(directory).get("requires-python")
    found = re.search(r"\d+\.\d+", wanted) if isinstance(wanted, str) else None
    return found.group() if found else None


def _project(directory: str) -> dict[str, Any]:
    """The table `project` of the directory's pyproject.toml; empty: there is none."""
    import tomllib

    path = os.path.join(os.path.expanduser(directory), "pyproject.toml")
    try:
        if os.path.getsize(path) > MAXIMUM_BYTES:
            return {}
        with open(path, "rb") as file:
            project = tomllib.load(file).get("project")
    except (OSError, ValueError):
        return {}
    return project if isinstance(project, dict) else {}


def _project_dependencies(directory: str) -> list[str]:
    wanted = _project(directory).get("dependencies")
    return [each for each in wanted if isinstance(each, str)] if isinstance(wanted, list) else []


def _read(path: str | None) -> str:
    """A script's text in the encoding it names; bytes that don't fit are replaced."""
    import tokenize

    if path is None:
        raise ValueError("there is neither a source nor a path. Provide exactly one of them.")
    if os.path.getsize(path) > MAXIMUM_BYTES:
        raise ValueError(f"the script {path} is larger than {MAXIMUM_BYTES} bytes. Split it.")
    with open(path, "rb") as file:
        try:
            encoding = tokenize.detect_encoding(file.readline)[0]
        except SyntaxError:
            encoding = "utf-8"
        file.seek(0)
        return file.read().decode(encoding, "replace")


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _blocks(text: str) -> list[str]:
    return [
        found.group("content") for found in _BLOCK.finditer(text) if found.group("type") == "script"
    ]


def _header(source: str) -> tuple[Header | None, str | None]:
    """(the PEP 723 metadata, why it can't be read)."""
    import tomllib

    blocks = _blocks(_lf(source) + "\n")
    if not blocks:
        return None, None
    if len(blocks) > 1:
        return None, "there is more than one '# /// script' block; keep one"
    lines = [line[2:] if line.startswith("# ") else line[1:] for line in blocks[0].splitlines()]
    try:
        metadata = tomllib.loads("\n".join(lines))
    except ValueError as error:
        return None, f"the '# /// script' block is no TOML: {error}"
    wanted = metadata.get("dependencies") or []
    python = metadata.get("requires-python")
    return {
        "requires_python": python if isinstance(python, str) else None,
        "dependencies": [each for each in wanted if isinstance(each, str)]
        if isinstance(wanted, list)
        else [],
    }, None


def _parse(source: str) -> tuple[ast.Module | None, str | None]:
    if len(source) > MAXIMUM_SCANNED:
        return None, None
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source.removeprefix("\ufeff")), None
    except SyntaxError as error:
        return None, f"{error.msg} (line {error.lineno})" if error.lineno else str(error.msg)
    except (ValueError, RecursionError, MemoryError) as error:
        return None, str(error) or type(error).__name__


def _docstring(tree: ast.Module | None) -> str:
    if tree is None:
        return ""
    import ast

    return (ast.get_docstring(tree) or "")[:MAXIMUM_DOCSTRING]


def _version(wanted: str | None) -> tuple[int, int]:
    """The Python that will run the script, as far as the request tells; else the one at hand."""
    found = re.search(r"(\d+)\.(\d+)", wanted or "")
    return (int(found.group(1)), int(found.group(2))) if found else sys.version_info[:2]


def _toml(text: str) -> str:
    """A TOML string on one line; JSON's form is one."""
    import json

    if not text.isprintable():
        raise ValueError("a dependency or requires_python holds a line break or control character.")
    return json.dumps(text, ensure_ascii=False)
