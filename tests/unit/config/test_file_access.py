"""Access rights of delivered files, with users and groups of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from app_integration._internal.variables import read_reader_group
from app_integration.config import file_reader
from app_integration.config.deliver import Target, deliver
from app_integration.config.delivery_status import State, status_file
from app_integration.config.file_access import FileAccess
from app_integration.config.loader import load_config
from app_integration.errors import ConfigRejected, ConfigurationError

ROOT: Final = Path(__file__).parents[3]
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT: Final = b"port: 25\n"
#: Users of an agent and of an application, and the group of both. None of them must exist.
AGENT: Final = 61_001
APPLICATION: Final = 61_002
READERS: Final = 61_003
STRANGERS: Final = 61_004

READ: Final = f"""
import os, sys
from pathlib import Path
from app_integration.config.loader import load_config
from app_integration.errors import StrongroomError
class Config(dict):
    model_validate = classmethod(lambda cls, document: cls(document))
path, group = sys.argv[1:]
os.setgroups([])
os.setgid(int(group))
os.setuid({APPLICATION})
try:
    print(load_config(Config, Path(path))["port"])
except StrongroomError as error:
    print(error)
"""


class Config(dict[str, int]):
    @classmethod
    def model_validate(cls, document: dict[str, int]) -> Config:
        return cls(document)


def write(path: Path, mode: int) -> Path:
    path.write_bytes(TEXT)
    path.chmod(mode)
    return path


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return a folder for the members of a group of this process."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o2750)
    return folder


def test_group_readable_file_is_read_if_its_group_is_declared(shared: Path) -> None:
    path = write(shared / "app.yaml", 0o640)
    assert file_reader.read(path, FileAccess(os.getgid())) == TEXT
    with pytest.raises(ConfigRejected, match=r"mode 0640 \(0040 too much\); run chmod 0600"):
        file_reader.read(path, FileAccess())
    with pytest.raises(ConfigRejected, match="chmod 0600"):
        file_reader.read(path, FileAccess(os.getgid() + 1))


@pytest.mark.parametrize("mode", [0o660, 0o644, 0o650, 0o2640])
def test_mode_wider_than_0640_is_rejected(shared: Path, mode: int) -> None:
    path = write(shared / "app.yaml", mode)
    with pytest.raises(ConfigRejected, match=f"has mode {mode:04o} .*chmod 0640"):
        file_reader.read(path, FileAccess(os.getgid()))


@pytest.mark.parametrize(
    ("folder_mode", "mode"), [(0o700, 0o600), (0o2700, 0o600), (0o2750, 0o640)]
)
def test_delivered_file_gets_the_rights_of_its_folder(
    tmp_path: Path, folder_mode: int, mode: int
) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    folder.chmod(folder_mode)
    assert FileAccess(os.getgid()).file_mode(folder) == mode


@pytest.mark.parametrize(
    ("folder_mode", "reason"),
    [
        (0o750, "mode 0750 .*expected 2750"),
        (0o777, "mode 0777 .*expected 2750"),
        (0o2751, "mode 2751 .*expected 2750"),
        (0o2770, "written by others than the delivery's user"),
    ],
)
def test_folder_of_another_mode_is_rejected(shared: Path, folder_mode: int, reason: str) -> None:
    shared.chmod(folder_mode)
    with pytest.raises(ConfigRejected, match=reason):
        FileAccess(os.getgid()).file_mode(shared)


def test_folder_of_another_group_is_rejected(shared: Path) -> None:
    with pytest.raises(ConfigRejected, match=f"expected 2750 and the group {os.getgid() + 1}"):
        FileAccess(os.getgid() + 1).file_mode(shared)


def test_group_is_a_name_or_an_id() -> None:
    variable = "STRONGROOM_READER_GROUP"
    assert read_reader_group({}) is read_reader_group({variable: ""}) is None
    assert read_reader_group({variable: "61003"}) == READERS
    assert read_reader_group({variable: "daemon"}) == 1
    with pytest.raises(ConfigurationError, match="'no-such', which is no group"):
        read_reader_group({variable: "no-such"})


def test_load_config_takes_the_group_of_the_environment(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(shared / "app.yaml", 0o640)
    with pytest.raises(ConfigRejected, match="mode 0640"):
        load_config(Config, path)
    monkeypatch.setenv("STRONGROOM_READER_GROUP", str(os.getgid()))
    assert load_config(Config, path) == {"port": 25}


def read_as_application(path: Path, group: int) -> str:
    """Return what ``load_config`` prints in a process of the application's user and *group*."""
    return subprocess.run(
        [sys.executable, "-c", READ, str(path), str(group)],
        cwd=ROOT,
        env={"STRONGROOM_READER_GROUP": str(READERS)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.mark.requires("root")
def test_file_of_another_user_is_read_by_the_members_of_the_group() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to have files of other users")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder / "app.yaml", 0o640)
        for each in (folder, path):
            os.chown(each, AGENT, READERS)
        folder.chmod(0o2770)
        assert read_as_application(path, READERS) == "25"
        assert "Permission denied" in read_as_application(path, STRANGERS)
        folder.chmod(0o2777)  # any user could put a file of this group there
        assert "has mode 2777" in read_as_application(path, READERS)
        folder.chmod(0o2770)
        os.chown(path, AGENT, STRANGERS)
        folder.chmod(0o2771)
        assert "has mode 0640 (0040 too much)" in read_as_application(path, STRANGERS)


@pytest.mark.requires("root")
def test_file_is_delivered_to_the_members_of_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to have files of other groups")
    (tmp_path / "models.py").write_text(
        "from pydantic import BaseModel\nclass Config(BaseModel):\n    port: int\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    live = tmp_path / "live" / "app.yaml"
    live.parent.mkdir()
    os.chown(live.parent, 0, READERS)
    live.parent.chmod(0o2750)
    staging = write(tmp_path / "staged.yaml", 0o600)
    status = deliver(staging, Target(live, "models:Config", FileAccess(READERS)), now=NOW)
    assert (status.state, status.reason) == (State.DELIVERED, None)
    found = live.stat()
    assert (found.st_mode & 0o7777, found.st_gid) == (0o640, READERS)
    assert status_file(live).stat().st_mode & 0o7777 == 0o600
