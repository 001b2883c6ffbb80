"""./dev asks the package manager only for what is missing, by the names that manager knows."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TABLE = "cmd:bash|never-apt|never-dnf|never-brew\ncmd:wanted|apt-name|dnf-name|brew-name\n"


def ensure(tmp_path: Path, managers: list[str], *, present: bool = False, brings: bool = True) -> tuple[int, str, str]:
    """Runs ensure_packages with made-up package managers; returns exit code, what they were told, stderr."""
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    for tool in ("bash", "env", "chmod", "id", "cat"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    (folder / "sudo").write_text('#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')
    bring = f"printf '#!/bin/sh\\n' > {folder}/wanted; chmod +x {folder}/wanted" if brings else ":"
    for manager in managers:
        (folder / manager).write_text(f'#!/bin/sh\necho "{manager} $*" >> {log}\ncase "$*" in *install*) {bring};; esac\n')
    if present:
        (folder / "wanted").write_text("#!/bin/sh\n")
    for file in folder.iterdir():
        if not file.is_symlink():
            file.chmod(0o755)
    script = (f"set -euo pipefail; ROOT={ROOT}; source $ROOT/tools/dev/common.sh; "
              f"source $ROOT/tools/dev/packages.sh; ensure_packages '{TABLE}'")
    done = subprocess.run(["bash", "-c", script], env={"PATH": str(folder)}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    return done.returncode, log.read_text() if log.exists() else "", done.stderr


def test_nothing_is_asked_while_everything_is_there(tmp_path: Path) -> None:
    code, told, _ = ensure(tmp_path, ["apt-get"], present=True)
    assert (code, told) == (0, "")


def test_apt_fetches_its_lists_before_it_installs(tmp_path: Path) -> None:
    code, told, _ = ensure(tmp_path, ["apt-get"])
    update, install = told.splitlines()
    assert code == 0
    assert "update" in update
    assert install.endswith(" apt-name")


@pytest.mark.parametrize(("manager", "name"), [("dnf", "dnf-name"), ("brew", "brew-name")])
def test_other_managers_are_asked_by_their_names(tmp_path: Path, manager: str, name: str) -> None:
    code, told, _ = ensure(tmp_path, [manager])
    assert code == 0
    assert told.strip().endswith(f" {name}")
    assert "never" not in told


def test_without_a_manager_the_error_names_what_is_missing(tmp_path: Path) -> None:
    code, _, said = ensure(tmp_path, [])
    assert code == 1
    assert "missing: cmd:wanted" in said
    assert "by hand" in said


def test_a_package_that_does_not_bring_what_it_should_is_an_error(tmp_path: Path) -> None:
    code, _, said = ensure(tmp_path, ["apt-get"], brings=False)
    assert code == 1
    assert "cmd:wanted is still missing" in said


def test_every_row_names_its_probe_and_its_packages() -> None:
    script = (f"ROOT={ROOT}; source $ROOT/tools/dev/common.sh; source $ROOT/tools/dev/packages.sh; "
              'printf "%s\\n" "$BUILD_PACKAGES" "$FUZZ_PACKAGES" "$FORMAT_PACKAGES" "$TIDY_PACKAGES" "$NPM_PACKAGES"')
    rows = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout.split("\n")
    rows = [row for row in rows if row]
    assert len(rows) >= 14
    for row in rows:
        probe, apt, dnf, _brew = row.split("|")
        assert probe.split(":")[0] in ("cmd", "header", "file")
        assert apt
        assert dnf
