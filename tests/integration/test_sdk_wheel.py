"""The wheel of the SDK alone, which pip installs from the printed line, on a real server."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.support.processes.application import make_venv
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

PIP = ("-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check")
READ = "from app_integration import get_secret; print(get_secret('smtp-password').reveal())"


@pytest.fixture
def dependencies(tmp_path: Path) -> Path:
    """Return a folder with what this suite has installed, except for the product."""
    folder = tmp_path / "dependencies"
    folder.mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if "strongroom" not in each.name:
            (folder / each.name).symlink_to(each)
    return folder


def test_printed_requirement_installs_the_sdk_which_reads_a_secret(
    deployment: Deployment,
    dependencies: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = tmp_path / "application"
    python = make_venv(project / ".venv", dependencies)
    assert run_command(monkeypatch, "sdk-wheel", "--out", str(project / "vendor")) == 0
    printed = capsys.readouterr().out
    _, _, rest = printed.partition("requirements.txt\n")
    (project / "requirements.txt").write_text(rest.splitlines()[0].strip() + "\n")
    subprocess.run([python, *PIP, "--requirement", "requirements.txt"], cwd=project, check=True)
    read = subprocess.run(
        [python, "-c", READ],
        cwd=project,
        env=deployment.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    stored = deployment.operator.get("secret/data/gaara-store/dev/smtp-password")
    assert read.stdout.strip() == stored["data"]["data"]["value"]
