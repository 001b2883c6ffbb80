"""What a run leaves in its folder when nothing special happens to it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import Runners, until

MEMBERS = {
    "exit_code", "timed_out", "cancelled", "limit", "error", "error_kind", "started_at", "ended_at", "wall_seconds",
    "user_seconds", "system_seconds", "queued_seconds", "peak_bytes", "peak_source", "largest_process_bytes", "kept_by",
}


def test_a_plain_run_is_recorded_with_every_member(anyone: Runners) -> None:
    before = time.time()
    run = anyone.run_python("import sys; print('out'); print('err', file=sys.stderr)")
    record = run.record()
    assert set(record) == MEMBERS
    assert (record["exit_code"], record["timed_out"], record["cancelled"]) == (0, False, False)
    assert record["limit"] is record["error"] is record["error_kind"] is record["kept_by"] is None
    assert before - 1 <= record["started_at"] <= record["ended_at"] <= time.time() + 1
    assert record["ended_at"] - record["started_at"] == pytest.approx(record["wall_seconds"], abs=1e-3)
    assert (run.stdout, run.stderr) == (b"out\n", b"err\n")
    assert run.process.returncode == 0


@pytest.mark.parametrize("code", [0, 1, 2, 127, 255])
def test_the_exit_code_is_the_programs_own(runners: Runners, code: int) -> None:
    run = runners.run_python(f"import os; os._exit({code})")
    assert run.record()["exit_code"] == code
    assert run.process.returncode == 0  # the runner's says only that there is a record


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGPIPE])
def test_a_signals_number_is_recorded_negative(runners: Runners, number: signal.Signals) -> None:
    run = runners.run_python(f"import os, signal; signal.signal({number}, signal.SIG_DFL) if {number} != 9 else 0;"
                             f"os.kill(os.getpid(), {number})")
    record = run.record()
    assert record["exit_code"] == -number
    assert not record["cancelled"]


def test_every_file_is_private_whatever_the_umask(runners: Runners) -> None:
    run = runners.run_python("pass", options=["--measure", "0.01"], umask=0)
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"exit", "lock", "runner", "samples", "stderr", "stdout"}
    for path in run.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_who_runs_it_is_told_before_the_program_begins(anyone: Runners) -> None:
    folder = anyone.folder()
    run = anyone.start_python("import os, sys, time\nprint(open(sys.argv[1] + '/runner').read(), end='')\n"
                              "print(os.getpid(), flush=True)\ntime.sleep(60)", str(folder), folder=folder)
    until(lambda: (folder / "stdout").exists() and run.stdout.count(b"\n") == 2, "the child has read the file")
    text, child = run.stdout.decode().splitlines()
    told = json.loads(text)
    assert set(told) == {"pid", "start_ticks", "boot_id", "child", "started_at"}
    assert told == run.runner()
    assert told["child"] == int(child)
    assert told["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    fields = Path(f"/proc/{told['pid']}/stat").read_text().rpartition(")")[2].split()
    assert told["start_ticks"] == int(fields[22 - 3])
    assert told["pid"] == run.process.pid


def test_the_lock_is_held_from_start_to_end(runners: Runners) -> None:
    run = runners.start_python("import time; print('up', flush=True); time.sleep(60)")
    run.said()
    with open(run.folder / "lock") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        run.process.terminate()
        run.wait()
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_child_does_not_hold_the_lock(runners: Runners) -> None:
    run = runners.start_python("import os, time; print(*[os.readlink(f'/proc/self/fd/{n}') for n in "
                               "os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')], flush=True);"
                               "time.sleep(60)")
    assert not any(name.endswith("/lock") for name in run.said())


def test_a_folder_belongs_to_one_runner(runners: Runners) -> None:
    first = runners.start_python("import time; print('up', flush=True); time.sleep(60)")
    first.said()
    second = runners.start("/bin/true", folder=first.folder)
    out, _ = second.process.communicate(timeout=30)
    assert second.process.returncode == 4
    assert b"belongs to another runner" in out
    assert not (first.folder / "exit").exists()


def test_the_record_appears_whole(runners: Runners) -> None:
    """A reader that looks all the time sees no record or all of it."""
    folders = [runners.folder() for _ in range(40)]
    seen: dict[Path, set[str]] = {folder: set() for folder in folders}
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for folder in folders:
                for name in ("exit", "runner"):
                    try:
                        seen[folder].add((folder / name).read_text())
                    except FileNotFoundError:
                        pass

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for folder in folders:
            runners.run("/bin/true", folder=folder)
    finally:
        over.set()
        reader.join()
    for texts in seen.values():
        for text in texts:
            json.loads(text)
    assert sum(len(texts) for texts in seen.values()) >= len(folders)


def test_without_a_folder_it_says_so_and_runs_nothing(runners: Runners, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    run = runners.start("/bin/touch", str(witness), folder=tmp_path / "missing")
    out, _ = run.process.communicate(timeout=30)
    assert run.process.returncode == 3
    assert b"can't be used: No such file or directory" in out
    assert not witness.exists()


@pytest.mark.parametrize("line", [
    [], ["--dir", "x"], ["--dir", "x", "--"], ["--dir", "x", "--frobnicate", "--", "true"],
    ["--dir", "x", "--timeout", "soon", "--", "true"], ["--dir", "x", "--timeout", "-1", "--", "true"],
    ["--dir", "x", "--memory", "0", "--", "true"], ["--dir", "x", "--memory", "1k", "--", "true"],
    ["--dir", "x", "--cpu", "nan", "--", "true"], ["--dir", "x", "--timeout"], ["--", "true"],
])
def test_a_mistake_in_the_command_line_is_explained(runners: Runners, line: list[str]) -> None:
    done = subprocess.run([runners.binary, *line], capture_output=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith(b"pyember-runner: ") and b"Usage:" in done.stderr


@pytest.mark.parametrize(("program", "kind", "why"), [
    ("/no/such/program", "not_found", "No such file or directory"),
    ("no-such-program-anywhere", "not_found", "No such file or directory"),
    ("/etc/passwd", "not_found", "Permission denied"),
    ("/", "not_found", "Permission denied"),
])
def test_a_program_that_can_not_be_started_is_an_error_of_three_parts(
        anyone: Runners, program: str, kind: str, why: str) -> None:
    run = anyone.run(program, env={"PATH": "/usr/bin:/bin"})
    record = run.record()
    assert record["error_kind"] == kind
    assert program in record["error"] and why in record["error"] and "Give the path" in record["error"]
    assert record["exit_code"] == 127
    assert record["wall_seconds"] == 0


def test_a_file_without_a_format_is_not_given_to_a_shell(runners: Runners) -> None:
    script = runners.base / "script"
    script.write_text("touch /tmp/should-never-be\n")
    script.chmod(0o755)
    record = runners.run(str(script)).record()
    assert record["error_kind"] == "not_found"
    assert "Exec format error" in record["error"]


def test_a_script_whose_interpreter_is_missing_is_told_as_that(runners: Runners) -> None:
    script = runners.base / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    record = runners.run(str(script)).record()
    assert record["error_kind"] == "not_found"
    assert "interpreter in its first line" in record["error"]


def test_a_working_directory_that_is_missing_is_an_error(anyone: Runners) -> None:
    record = anyone.run("/bin/true", options=["--cwd", "/no/such/place"]).record()
    assert record["error_kind"] == "cwd"
    assert "/no/such/place can't be entered: No such file or directory" in record["error"]


def test_a_path_that_is_not_utf8_makes_a_valid_record(runners: Runners) -> None:
    record = runners.run("/bin/true", options=["--cwd", b"/no/\xff\xfe\"\n"]).record()  # type: ignore[list-item]
    assert record["error_kind"] == "cwd"
    assert "\ufffd" in record["error"] and '"\n' in record["error"]


def test_arguments_environment_and_directory_arrive_as_they_are(runners: Runners) -> None:
    place = runners.base / "pl ace"
    place.mkdir()
    code = "import os, sys; sys.stdout.buffer.write(b'|'.join([*map(os.fsencode, sys.argv[1:]), os.environb[b'V'], os.getcwdb()]))"
    run = runners.run_python(code, "", "a b", "$HOME;`x`", os.fsdecode(b"\xff"),
                             options=["--cwd", str(place)], env={**os.environ, "V": "x y\n"})
    assert run.stdout == b"|a b|$HOME;`x`|\xff|x y\n|" + os.fsencode(place.resolve())


def test_a_program_is_found_by_path(runners: Runners) -> None:
    run = runners.run("env", env={"PATH": "/no/such:/usr/bin:/bin", "A": "1"})
    assert run.stdout.splitlines() == [b"PATH=/no/such:/usr/bin:/bin", b"A=1"]


def test_nothing_of_the_environment_is_written_down(runners: Runners) -> None:
    run = runners.run("/bin/true", env={**os.environ, "TOKEN": "hunter2-secret"})
    for path in run.folder.iterdir():
        assert b"hunter2-secret" not in path.read_bytes()
