"""Runs a script under cProfile and writes what took its time, as JSON.

    python run_profiled.py FINDINGS LIMIT ORDER SCRIPT [ARGUMENT...]

Started as a program, by the user's own interpreter: standard library only, any Python from 3.8 on,
no import of the packages beside it. The script finds the process as if it had been started itself:
__main__, sys.argv, sys.path, its exit code and its traceback. The findings hold the LIMIT functions
that come first by ORDER (cumulative, own or calls). Only the main thread is seen, and a script
that is killed, or ends with os._exit, leaves no findings.
"""

import cProfile
import io
import json
import os
import sys
import types

_COLUMNS = {"cumulative": "cumulative_seconds", "own": "own_seconds", "calls": "calls"}


def main() -> None:
    findings, limit, order, script = sys.argv[1:5]
    sys.argv[:] = sys.argv[4:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    with io.open_code(script) as file:
        source = file.read()
    code = compile(source, script, "exec", dont_inherit=True)
    module = types.ModuleType("__main__")
    module.__file__ = script
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    sys.excepthook = _without_our_frames
    profiler = cProfile.Profile()
    try:
        profiler.enable()
        try:
            exec(code, module.__dict__)
        finally:
            profiler.disable()
    finally:
        _write(findings, profiler, int(limit), order)


def _write(findings: str, profiler: cProfile.Profile, limit: int, order: str) -> None:
    profiler.create_stats()
    functions = [
        {
            "function": name,
            "file": file,
            "line": line,
            "calls": calls,
            "own_seconds": round(own, 6),
            "cumulative_seconds": round(cumulative, 6),
        }
        for (file, line, name), (_, calls, own, cumulative, _callers) in profiler.stats.items()  # type: ignore[attr-defined]
        if not _is_ours(file, name)
    ]
    column = _COLUMNS[order]
    functions.sort(key=lambda each: (-each[column], each["file"], each["line"]))
    answer = {
        "total_seconds": round(sum(each["own_seconds"] for each in functions), 6),
        "calls": sum(each["calls"] for each in functions),
        "functions_seen": len(functions),
        "functions": functions[:limit],
    }
    if findings.startswith("/proc/"):  # a descriptor, where the script can't reach the folder
        with open(findings, "w", encoding="utf-8") as file:
            file.write(json.dumps(answer))
        return
    # By rename: half of it would be taken for all.
    descriptor = os.open(findings + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(answer, file)
    os.replace(findings + ".new", findings)


def _is_ours(file: str, name: str) -> bool:
    return file == __file__ or name in (
        "<method 'disable' of '_lsprof.Profiler' objects>",
        "<built-in method builtins.exec>",
    )


def _without_our_frames(kind, error, traceback) -> None:  # type: ignore[no-untyped-def]
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    sys.__excepthook__(kind, error.with_traceback(traceback), traceback)


if __name__ == "__main__":
    main()
