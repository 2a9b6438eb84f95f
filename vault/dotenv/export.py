"""Export of the current values to a ``.env`` file, for a service that must leave the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app_integration import names
from app_integration._internal.private_file import write_private
from app_integration._internal.secret_value import check_secret_value
from app_integration.errors import ConfigurationError, SecretNotFound
from app_integration.names import Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from vault.declare.application_variables import setting_text
from vault.declare.declaration import Declaration
from vault.dotenv.deployment_secrets import DATABASE, is_postgresql
from vault.dotenv.proof import ReadSecret
from vault.dotenv.split_accounts import parts_of
from vault.dotenv.text import EXPORT_HEAD, assignment
from vault.dotenv.worktree import check_ignored


@dataclass(frozen=True, slots=True)
class Exported:
    """Result of an export."""

    path: Path
    secrets: tuple[str, ...]
    missing: tuple[str, ...]


def export(
    declaration: Declaration,
    scope: Scope,
    *,
    read: ReadSecret,
    audit: AuditLog,
    path: Path,
    reason: str,
) -> Exported:
    """Write all secrets and settings of the service to a private file (mode 0600).

    It replaces the file of an earlier export, but no other file, and writes none after an error.
    *audit* receives one record before that, so its mode must be ``each``.
    """
    reason = reason.strip()
    if not reason:
        raise ConfigurationError("an export requires a reason; pass --reason TEXT")
    _check_path(path)
    values, missing = _read_all(sorted(declaration.secrets(scope)), read)
    content = _content(values, missing, declaration.settings(scope))
    audit.record(
        "export-env", str(scope), "exported", reason=reason, file=str(path), secrets=tuple(values)
    )
    write_private(path, content)
    return Exported(path, tuple(values), missing)


def _check_path(path: Path) -> None:
    if not path.parent.is_dir():
        raise ConfigurationError(f"{path.parent} is not a folder; create it first")
    check_ignored(path)
    if path.is_symlink() or path.exists():
        if path.is_file() and path.read_bytes().startswith(EXPORT_HEAD.encode()):
            return
        raise ConfigurationError(
            f"{path} exists and was not written by an export; move it or choose another file"
        )


def _read_all(
    secrets: Iterable[str], read: ReadSecret
) -> tuple[dict[str, Secret], tuple[str, ...]]:
    values: dict[str, Secret] = {}
    missing: list[str] = []
    for name in secrets:
        try:
            value = read(name)
        except SecretNotFound:
            missing.append(name)
            continue
        check_secret_value(name, value)
        values[name] = value
    return values, tuple(missing)


def _content(
    values: Mapping[str, Secret], missing: Iterable[str], settings: Mapping[str, str | int | bool]
) -> str:
    lines = [EXPORT_HEAD]
    lines += [assignment(names.variable_name(name), value) for name, value in values.items()]
    if DATABASE in values and is_postgresql(values[DATABASE]):
        lines += _database_parts(values[DATABASE])
    lines += [f"# {names.variable_name(name)} has no value\n" for name in missing]
    lines += [
        assignment(names.variable_name(name), setting_text(value))
        for name, value in sorted(settings.items())
    ]
    return "".join(lines)


def _database_parts(url: Secret) -> Iterator[str]:
    """Yield the parts of *url* as comments, because no declaration knows the names they had."""
    parts = parts_of(url)
    if parts:
        yield f"# {names.variable_name(DATABASE)} in parts, for code that reads them:\n"
    for part, value in parts.items():
        word = "NAME" if part == "database" else part.upper()
        yield f"# {assignment(f'DB_{word}', value)}"
