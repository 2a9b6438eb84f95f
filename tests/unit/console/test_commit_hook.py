"""Hook of ``.pre-commit-hooks.yaml``, which other repositories use."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from vault.declare import load

ROOT: Final = Path(__file__).parents[3]
MANIFEST: Final = ROOT / ".pre-commit-hooks.yaml"


@pytest.fixture
def hook() -> dict[str, Any]:
    (found,) = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a repository with a declaration."""
    (tmp_path / "strongroom.yaml").write_text("format: 1\n")
    for name in ("services", "environments"):
        shutil.copytree(load.ROOT / name, tmp_path / name)
    shutil.copytree(load.TEMPLATES, tmp_path / "templates")
    return tmp_path


def run(hook: dict[str, Any], clone: Path) -> subprocess.CompletedProcess[str]:
    """Run the hook as pre-commit does: its entry, in the root of *clone*."""
    command = shlex.split(hook["entry"])
    assert hook["pass_filenames"] is False
    return subprocess.run(
        command,
        cwd=clone,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_manifest_is_one_that_pre_commit_accepts() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", MANIFEST.name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_hook_runs_for_a_commit_that_only_deletes_files(hook: dict[str, Any]) -> None:
    assert hook["always_run"] is True


def test_hook_passes_on_a_valid_declaration(hook: dict[str, Any], clone: Path) -> None:
    done = run(hook, clone)
    assert (done.returncode, done.stderr) == (0, "")


def test_hook_fails_on_a_broken_declaration_and_shows_the_line(
    hook: dict[str, Any], clone: Path
) -> None:
    service = clone / "services/gaara-store.yaml"
    text = service.read_text(encoding="utf-8")
    service.write_text(text.replace("rotate_every: 30d", "rotate_every: 30"), encoding="utf-8")
    done = run(hook, clone)
    line = text[: text.index("rotate_every: 30d")].count("\n") + 1
    assert done.returncode == 2
    assert done.stdout.startswith(f"services/gaara-store.yaml:{line}: ")
    assert "is 30, without a unit" in done.stdout


def test_hook_fails_on_a_broken_template_and_shows_the_line(
    hook: dict[str, Any], clone: Path
) -> None:
    template = clone / "templates/gaara-store/app.yaml.j2"
    template.write_text('a: 1\nb: {{ secret("smtp-pasword") }}\n', encoding="utf-8")
    done = run(hook, clone)
    assert done.returncode == 2
    assert done.stdout.startswith("templates/gaara-store/app.yaml.j2:2: ")
