"""What to do instead, for code that works in a notebook and not in plain Python.

Called by failures.report for errors that may have such a reason; the answer goes into the notices,
so the error itself stays exactly CPython's.
"""

from __future__ import annotations

import sys
from builtins import (
    BaseException,
    ModuleNotFoundError,
    NameError,
    SyntaxError,
    getattr,
    int,
    issubclass,
    len,
    str,
    type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcp_runtime.session import Session

_INSTALL = (
    "a line `%pip install NAME` installs packages into the session, and so does "
    "dependencies=['NAME'] with the call"
)
_INSTEAD = {
    "pip": f"{_INSTALL}; importlib.metadata.distributions() lists what is there",
    "conda": _INSTALL,
    "mamba": _INSTALL,
    "time": "use time.perf_counter() before and after; every answer also says how long it took",
    "timeit": "use timeit.timeit(lambda: …, number=…)",
    "run": "use runpy.run_path('file.py', run_name='__main__')",
    "load": "use exec(open('file.py').read())",
    "cd": "use os.chdir(path); it lasts for the session",
    "pwd": "use os.getcwd()",
    "ls": "use os.listdir()",
    "env": "use os.environ",
    "who": "use the tool inspect_session, or dir()",
    "whos": "use the tool inspect_session, or dir()",
    "reset": "use the tool reset_session",
    "matplotlib": "leave it out; figures are shown on plt.show() and at the end of the cell",
    "load_ext": "leave it out; there are no extensions here",
    "autoreload": "use importlib.reload(module)",
    "bash": "use subprocess.run(script, shell=True)",
    "sh": "use subprocess.run(script, shell=True)",
    "writefile": "use pathlib.Path(name).write_text(text); files in the folder "
    "os.environ['PYEMBER_SESSION_FOLDER'] are linked in the answer",
    "html": "use display({'text/html': text}, raw=True)",
    "markdown": "use display({'text/markdown': text}, raw=True)",
    "svg": "use display({'image/svg+xml': text}, raw=True)",
    "capture": "leave it out; what a cell prints is part of the answer",
    "prun": "use cProfile.run('…')",
    "debug": "read the traceback, or look at sys.last_exc",
    "history": "the client has the history; the session keeps only names",
    "who_ls": "use the tool inspect_session, or dir()",
}


# Names of imports that are not those of their packages, where models are wrong most often.
_PACKAGES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}

_SERVERS_NAMED = 20  # of those that a hint lists

_NAMES = {
    "get_ipython": "a session runs plain Python",
    "In": "the client has the history",
    "Out": "the last three results are _, __ and ___",
}


def hint_for(session: Session, failure: BaseException, message: str) -> str | None:
    """One sentence or two, or None when nothing better than the error itself can be said."""
    if issubclass(type(failure), SyntaxError):
        return _hint_for_line(_faulty_line(session, failure))
    if type(failure) is NameError:
        name = str(getattr(failure, "name", ""))
        if name.startswith("mcp_"):
            return _hint_for_server(name)
        instead = _NAMES.get(getattr(failure, "name", ""))
        return None if instead is None else f"`{failure.name}` is IPython's: {instead}."
    if type(failure) is ModuleNotFoundError:
        return _hint_for_module(session, failure)
    if type(failure).__name__ == "BdbQuit":
        return (
            "a debugger has nobody to talk to here. Print what you want to see, or look at "
            "sys.last_value and its traceback after an error."
        )
    if "no running event loop" in message or "no current event loop" in message:
        return (
            "the session's event loop runs only while a cell awaits. Write `await` in the cell, "
            "for example `task = asyncio.create_task(f()); await asyncio.sleep(0)`."
        )
    if "from a running event loop" in message or "event loop is already running" in message:
        return (
            "a cell with a top-level await runs inside the session's event loop. Await the "
            "coroutine directly, or put asyncio.run() into a cell without await."
        )
    return None


def _hint_for_server(name: str) -> str | None:
    """Which servers there are; None when nobody has asked for them yet."""
    catalog = sys.modules.get("mcp_runtime.code_mode.catalog")
    configured = None if catalog is None else catalog.configured()
    if configured is None:
        return None
    names = [f"mcp_{each.get('alias')}" for each in configured]
    if not names:
        return f"`{name}` would be an MCP server, and none is configured here."
    more = len(names) - _SERVERS_NAMED
    told = ", ".join(names[:_SERVERS_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (
        f"the MCP servers here are {told}; runtime.search_tool_docs(…) finds tools in all of them."
    )


def _hint_for_module(session: Session, failure: ModuleNotFoundError) -> str | None:
    name = failure.name
    # Parts of packages that are there, and of packages that look themselves, are another matter.
    if type(name) is not str or failure.msg != f"No module named {name!r}" or "." in name:
        return None
    if name == "IPython":
        return "display(...) is there without an import, and shows pictures, tables and Markdown."
    stays = session.look_ahead is None and not session.loads_all_packages
    return (
        f"if {name} is a package: a line `%pip install {_PACKAGES.get(name, name)}` in the cell, "
        "or dependencies=[…] with the call, installs it into the session"
        f"{', when its isolation is auto or process' if stays else ''}."
    )


def _faulty_line(session: Session, failure: BaseException) -> str:
    number = getattr(failure, "lineno", None)
    filename = getattr(failure, "filename", None)
    if type(number) is not int or type(filename) is not str:
        return ""
    lines = session.sources.lines(filename)
    return lines[number - 1].strip() if 1 <= number <= len(lines) else ""


def _hint_for_line(line: str) -> str | None:
    if line.startswith("!"):
        return (
            "`!command` is IPython's; a session runs plain Python. Use "
            f"subprocess.run({line[1:].strip()!r}, shell=True): its output arrives in the answer."
        )
    if line.startswith("%"):
        name = line.lstrip("%").split(" ", 1)[0].strip()
        instead = _INSTEAD.get(name, "write the same in Python")
        return f"`{line[:60]}` is an IPython command; a session runs plain Python: {instead}."
    if line.startswith("?") or line.endswith("?"):
        subject = line.strip("? ")
        return f"`{line[:60]}` is IPython's; use help({subject}) or inspect.getsource({subject})."
    if line.startswith(("pip ", "pip3 ", "python -m pip ", "conda ", "uv ")):
        return f"`{line[:60]}` is a shell command: {_INSTEAD['pip']}."
    if line.startswith(("$ ", ">>> ", "... ")):
        return "leave out the prompt: a cell holds the code alone."
    if line.startswith("```"):
        return "leave out the Markdown fence: a cell holds the code alone."
    return None
