"""A session's history as a script, a notebook or a pytest file.

What the server knows of the session comes as plain data (src/host/export): its cells in order with
what they printed and showed, and what the session has loaded. Nothing of it is executed here.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # number, code, status, result, error, stdout, stderr, displays: see src/host/export.
    Cell = dict[str, Any]
    Package = dict[str, Any]


def export_session(
    form: str,
    session: str,
    cells: list[Cell],
    loaded: dict[str, Any] | None = None,
    asked_for: list[str] | None = None,
    dropped: int = 0,
    folder: str = "",
) -> dict[str, Any]:
    """{"text", "packages", "notices"} of an export.

    `loaded` is what the session has answered (mcp_runtime/questions.py), null when it could not be
    asked; then `asked_for`, the requirements it was given, stand in for it.
    """
    from mcp_services import export_notebook, export_pytest, export_script

    notices = []
    if dropped:
        notices.append(
            f"The first {dropped} cells are missing: the session keeps the newest part of its "
            "history only. Names they defined must be defined by hand."
        )
    bare = sum(1 for cell in cells if cell["stdout"] is None)
    if bare:
        notices.append(
            f"What {bare} cells printed and showed is not kept here any more, or was never: they "
            "ran in a session that this one came from, or long ago."
        )
    packages, local = _imported(cells, loaded)
    if loaded is None:
        packages = [_asked(each) for each in asked_for or []]
        notices.append(
            "The session could not be asked what it has imported: the packages named are those it "
            "was asked to install. Export it again while it is idle for the versions."
        )
    if local:
        named = ", ".join(f"{each['module']} ({each['file']})" for each in local[:10])
        notices.append(f"Modules from files that are no package, to be kept beside it: {named}.")
    about = {
        "session": session,
        "python": loaded["python"] if loaded else "",
        "packages": packages,
        "notices": notices,
        "folder": folder,
    }
    forms = {"script": export_script, "notebook": export_notebook, "pytest": export_pytest}
    text = forms[form].render(about, cells)
    return {
        "text": text,
        "python": about["python"],
        "packages": [{"name": each["name"], "version": each["version"]} for each in packages],
        "notices": notices,
    }


def _imported(
    cells: list[Cell], loaded: dict[str, Any] | None
) -> tuple[list[Package], list[dict[str, str]]]:
    """The packages the session has imported; one that was preloaded counts when cells name it."""
    if loaded is None:
        return [], []
    from mcp_services.export_cells import imported_names

    named: set[str] = set()
    for cell in cells:
        named |= imported_names(cell["code"])
    packages = [
        each
        for each in loaded["packages"]
        if not each["preloaded"] or named.intersection(each["modules"])
    ]
    local = [each for each in loaded["local"] if each["module"] in named]
    return packages, local


def _asked(requirement: str) -> Package:
    name = re.match(r"[A-Za-z0-9._-]*", requirement)
    return {"name": name.group() if name else "", "version": "", "requirement": requirement}
