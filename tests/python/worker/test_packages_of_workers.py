"""Packages that change under a running worker: what is imported from where, and what is told."""

from __future__ import annotations

from pathlib import Path

from zygotes import Zygote


def environment(folder: Path, **versions: str) -> Path:
    """A folder like an environment, with packages of these versions."""
    site = folder / "lib" / "site-packages"
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to("/bin/true")
    for name, version in versions.items():
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(f"version = {version!r}\n")
        (site / name / "part.py").write_text(f"version = {version!r}\n")
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
    return site


def test_new_packages_take_the_place_of_those_before(zygote: Zygote, tmp_path: Path) -> None:
    first, second = environment(tmp_path / "a", one="1.0", two="1.0"), environment(tmp_path / "b", one="2.0", two="1.0")
    worker = zygote.fork(sites=[str(first)], root=str(tmp_path / "a"))
    path = worker.value("import sys, os\nsys.path.insert(1, '/mine')\nsys.path.index(%r)" % str(first))
    worker.send({"op": "packages", "sites": [str(second)], "root": str(tmp_path / "b")})
    done = worker.run("import one\none.version")
    assert (done.result, list(done.notices or ())) == ("'2.0'", [])
    assert path is not None
    assert worker.value("'/mine' in sys.path, %r in sys.path" % str(first)) == "(True, False)"
    assert worker.value("sys.prefix, os.environ['VIRTUAL_ENV'], sys.executable") == repr(
        (str(tmp_path / "b"), str(tmp_path / "b"), str(tmp_path / "b" / "bin" / "python")))
    assert worker.value("[entry for entry in os.environ['PATH'].split(':') if entry.startswith(%r)]" % str(tmp_path)) == repr(
        [str(tmp_path / "b" / "bin")])


def test_what_was_imported_in_another_version_stays_and_is_named(zygote: Zygote, tmp_path: Path) -> None:
    first, second = environment(tmp_path / "a", one="1.0", two="1.0"), environment(tmp_path / "b", one="2.0", two="1.0")
    worker = zygote.fork(sites=[str(first)])
    worker.value("import one, two")
    worker.send({"op": "packages", "sites": [str(second)], "root": ""})
    done = worker.run("import one, one.part\none.version, one.part.version")
    assert done.result == "('1.0', '1.0')"
    (notice,) = done.notices
    assert "one 1.0" in notice and "one 2.0" in notice and "two" not in notice and "reset_session" in notice, notice
    assert not worker.run("import two\ntwo.version").notices


def test_packages_stand_in_front_of_the_interpreters_own(zygote: Zygote, tmp_path: Path) -> None:
    own, added = environment(tmp_path / "own", one="1.0"), environment(tmp_path / "b", one="2.0")
    worker = zygote.fork()
    worker.value("import sys\nsys.path.append(%r)" % str(own))
    worker.send({"op": "packages", "sites": [str(added)], "root": ""})
    assert worker.value("import one\none.version") == "'2.0'"
    assert worker.value("import os\nsys.path.index(os.path.dirname(os.__file__)) < sys.path.index(%r)" % str(added)) == "True"
