"""Folder with the credential of an AppRole. A rotation replaces the secret-id in it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import read_input
from app_integration._internal.private_file import write_private
from app_integration.observability import redaction
from app_integration.secret import Secret
from vault.reconcile import wrapped_secret_id

#: File of the old secret-id beside the new one, until the rotation ends.
PREVIOUS: Final = "previous-secret-id"
_FILE: Final = "secret-id"


def write_credential(folder: Path, role_id: str, value: Secret) -> None:
    """Write a credential, and keep the old secret-id beside it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    old = _read(folder / _FILE)
    if old is not None and old != value:
        write_private(folder / PREVIOUS, old.reveal())
    write_private(folder / "role-id", role_id)
    write_private(folder / _FILE, value.reveal())
    (folder / wrapped_secret_id.FILE).unlink(missing_ok=True)


def put_back(folder: Path, value: Secret | None) -> None:
    """Replace the new secret-id in *folder* by the old one, if that is beside it."""
    old = _read(folder / PREVIOUS)
    if old is not None:
        write_private(folder / _FILE, old.reveal())
        (folder / PREVIOUS).unlink()
    elif value is not None and _read(folder / _FILE) == value:
        (folder / _FILE).unlink()


def _read(file: Path) -> Secret | None:
    with suppress(FileNotFoundError):
        value = Secret(read_input(file).decode().strip())
        redaction.live.add(value)
        return value
    return None


def remove_previous(folder: Path) -> None:
    """Remove the old secret-id beside the new one."""
    (folder / PREVIOUS).unlink(missing_ok=True)
