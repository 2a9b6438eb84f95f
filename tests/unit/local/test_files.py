from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from local.files import ensure_private_folder, read_or_create_password
from local.layout import DEPLOYMENT, Layout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_private_file_over_an_existing_file_is_0600(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "n€w")
    assert path.read_text(encoding="utf-8") == "n€w"
    assert mode(path) == 0o600


def test_private_file_after_a_failed_write_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_private(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_private(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_private_file_over_a_symlink_replaces_the_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    path = tmp_path / "file"
    path.symlink_to(victim)
    write_private(path, b"secret")
    assert victim.read_text() == "untouched"
    assert not path.is_symlink()


def test_password_is_generated_once_and_then_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    password = read_or_create_password(path)
    assert password == path.read_text()
    assert repr(password) == "[REDACTED]"
    assert read_or_create_password(path) == password
    assert mode(path) == 0o600


def test_generated_passwords_differ(tmp_path: Path) -> None:
    first = read_or_create_password(tmp_path / "first")
    assert len(first) == 32
    assert first != read_or_create_password(tmp_path / "second")


def test_empty_password_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "password").touch()
    with pytest.raises(ConfigurationError, match="password is empty"):
        read_or_create_password(tmp_path / "password")


def test_layout_folders_new_or_existing_are_0700(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    layout.mail.chmod(0o755)
    layout.create()
    folders = [layout.root, *layout.root.rglob("*")]
    folders.remove(layout.root / DEPLOYMENT.mark)
    assert layout.mail in folders
    assert {mode(folder) for folder in folders} == {0o700}


def test_layout_root_that_is_a_symlink_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".strongroom").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="is a symlink, which is not followed"):
        Layout(tmp_path / ".strongroom").create()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_private_folder_of_another_user_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    (tmp_path / ".strongroom").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigurationError, match=f"belongs to user id {owner}, not to {owner + 1}"):
        ensure_private_folder(tmp_path / ".strongroom")


def test_layout_paths_are_below_the_root(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    scope = Scope("gaara-store", Environment.DEV)
    paths = [
        layout.secret_id("strongroom-apply"),
        layout.agent(scope),
        layout.config("gaara-store"),
        layout.staged_config("gaara-store"),
        layout.audit_logs[1],
    ]
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "credentials/strongroom-apply/secret-id",
        "agent/gaara-store-dev",
        "config/gaara-store/app.yaml",
        "config/gaara-store/staging/app.yaml",
        "vault/audit/audit-2.log",
    ]
