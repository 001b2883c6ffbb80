"""Environment variables, working directory and import path of a session."""

from __future__ import annotations

from pathlib import Path

from laboratory import run


def test_children_get_the_environment_of_their_session_and_its_mark() -> None:
    show = "'echo $A:$PYEMBER_SESSION'"
    cells = run([
        "import os, subprocess; os.environ['A'] = 'one'",
        f"subprocess.run({show}, shell=True, capture_output=True, text=True).stdout",
        f"os.popen({show}).read()",
        f"subprocess.run({show}, shell=True, capture_output=True, text=True, "
        "env={'A': 'two'}).stdout",
        "r, w = os.pipe()\n"
        f"p = os.posix_spawn('/bin/sh', ['sh', '-c', {show}], os.environ,\n"
        "    file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)])\n"
        "os.waitpid(p, 0); os.read(r, 99)",
        f"os.spawnlp(os.P_WAIT, 'sh', 'sh', '-c', 'test \"$A:$PYEMBER_SESSION\" = one:1')",
        "os.system('test \"$A:$PYEMBER_SESSION\" = one:1; exit $?')",
        "os.putenv('A', 'three'); os.environ['A'], os.popen('echo $A').read()",
        "os.unsetenv('A'); os.popen('echo ${A-none}').read()",
    ]).cells
    assert [cell.result for cell in cells] == [
        None, "'one:1\\n'", "'one:1\\n'", "'two:1\\n'", "b'one:1\\n'", "0", "0",
        "('one', 'three\\n')", "'none\\n'"], cells


def test_a_new_session_starts_from_the_servers_environment() -> None:
    first, second = run(
        ["import os; os.environ['A'] = 'one'; del os.environ['GIVEN']; os.environ.get('GIVEN')"],
        ["import os; (os.environ.get('A'), os.environ['GIVEN'], "
         "os.popen('echo $GIVEN$PYEMBER_SESSION').read())"],
        environment={"GIVEN": "yes"},
    ).sessions
    assert first[0].status == 0
    assert second[0].result == "(None, 'yes', 'yes2\\n')"


def test_writes_do_not_reach_the_environment_of_the_process() -> None:
    cell = run(["import os, ctypes; os.environ['PYEMBER_A'] = '1'\n"
                "getenv = ctypes.CDLL(None).getenv; getenv.restype = ctypes.c_char_p\n"
                "getenv(b'PYEMBER_A')"]).cells[0]
    assert (cell.status, cell.result) == (0, None)


def test_illegal_names_are_refused_as_by_putenv() -> None:
    cells = run(["import os; os.putenv('A=B', 'C')", "os.environ['A\\0'] = 'x'"]).cells
    assert [cell.error and cell.error[0] for cell in cells] == ["ValueError", "ValueError"]


def test_modules_are_found_in_the_working_directory_first(tmp_path: Path) -> None:
    (tmp_path / "inside.py").write_text("value = 42")
    other = tmp_path / "other"
    other.mkdir()
    (other / "elsewhere.py").write_text("value = 43")
    cells = run(["import sys; sys.path[0], sys.argv", "import inside; inside.value",
                 "import os; os.chdir('other'); import elsewhere; elsewhere.value"],
                working_directory=str(tmp_path)).cells
    assert [cell.result for cell in cells] == ["('', [''])", "42", "43"]


def test_the_runtimes_own_folder_is_not_on_the_path() -> None:
    cell = run(["import sys; [entry for entry in sys.path if entry.endswith('/python')]"]).cells[0]
    assert cell.result == "[]"


def test_site_directories_and_their_path_files_are_used(tmp_path: Path) -> None:
    site = tmp_path / "env/lib/python3/site-packages"
    linked = tmp_path / "linked"
    for folder in (site, linked, tmp_path / "env/bin"):
        folder.mkdir(parents=True)
    (site / "installed.py").write_text("value = 1")
    (linked / "editable.py").write_text("value = 2")
    (site / "a.pth").write_text(f"# comment\n{linked}\n/nowhere/at/all\n")
    (site / "b.pth").write_text("import sys; sys.pth_was_run = True\n")
    (site / "c.pth").write_text("import nothing_of_that_name\n")
    laboratory = run(
        ["import installed, editable, sys, os\n"
         "(installed.value, editable.value, sys.pth_was_run, '/nowhere/at/all' in sys.path)",
         "sys.prefix == sys.exec_prefix == os.environ['VIRTUAL_ENV'], sys.base_prefix != sys.prefix",
         "os.environ['PATH'].split(':')[0] == sys.prefix + '/bin'"],
        site_directories=[str(site)], environment_root=str(tmp_path / "env"))
    assert [cell.result for cell in laboratory.cells] == [
        "(1, 2, True, False)", "(True, True)", "True"]
    assert "nothing_of_that_name" in laboratory.output
