"""Writing the current values to a ``.env`` file, to take a service back off the server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration import names
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError, SecretNotFound
from app_integration.names import Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from vault.declare.declaration import Declaration
from vault.dotenv.proof import Read
from vault.dotenv.text import assignment, setting_text
from vault.dotenv.worktree import refuse_unless_ignored

_HEAD: Final = "# Written by strongroom export-env; it holds secrets, so delete it after use.\n"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: *secrets* by name, and those that have no value, in *missing*."""

    path: Path
    secrets: tuple[str, ...]
    missing: tuple[str, ...]


def export(
    declaration: Declaration,
    scope: Scope,
    *,
    read: Read,
    audit: AuditLog,
    path: Path,
    reason: str,
) -> Exported:
    """Write all secrets and settings of the service to *path*, 0600, replacing an earlier export.

    Args:
        declaration: tells which they are.
        scope: service and environment.
        read: gives a secret's current value; the server records each read.
        audit: gets one record before the file appears; its mode must be ``each``.
        path: of the new file.
        reason: for the record; not empty.

    Raises:
        ConfigurationError: no reason, or a *path* that must not be written; nothing was read.
        InvalidName: a value that no variable can hold.
        StrongroomError: a secret can't be read; no file was written.
        AuditFailed: the record couldn't be written; no file was written.

    """
    reason = reason.strip()
    if not reason:
        raise ConfigurationError("an export needs a reason; give --reason TEXT")
    _check_path(path)
    values, missing = _values(sorted(declaration.secrets(scope)), read)
    content = _content(values, missing, declaration.settings(scope))
    audit.record(
        "export-env", str(scope), "exported", reason=reason, file=str(path), secrets=tuple(values)
    )
    write_private(path, content)
    return Exported(path, tuple(values), missing)


def _check_path(path: Path) -> None:
    if not path.parent.is_dir():
        raise ConfigurationError(f"{path.parent} is no folder; make it first")
    refuse_unless_ignored(path)
    if path.is_symlink() or path.exists():
        if path.is_file() and path.read_bytes().startswith(_HEAD.encode()):
            return
        raise ConfigurationError(
            f"{path} is there and was not written by an export; move it away or choose another"
        )


def _values(secrets: Iterable[str], read: Read) -> tuple[dict[str, Secret], tuple[str, ...]]:
    values: dict[str, Secret] = {}
    missing: list[str] = []
    for name in secrets:
        try:
            value = read(name)
        except SecretNotFound:
            missing.append(name)
            continue
        names.check_secret_value(name, value)
        values[name] = value
    return values, tuple(missing)


def _content(
    values: Mapping[str, Secret], missing: Iterable[str], settings: Mapping[str, str | int | bool]
) -> str:
    lines = [_HEAD]
    lines += [assignment(names.variable_name(name), value) for name, value in values.items()]
    lines += [f"# {names.variable_name(name)} has no value\n" for name in missing]
    lines += [
        assignment(names.variable_name(name), setting_text(value))
        for name, value in sorted(settings.items())
    ]
    return "".join(lines)
