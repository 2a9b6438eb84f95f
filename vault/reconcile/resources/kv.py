"""Requests to a KV mount: paths, values, versions and custom metadata of its entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from app_integration._internal.secret_value import check_secret_value
from app_integration.errors import RequestRefused, SecretError
from app_integration.names import KV_MOUNT, VALUE_KEY
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.reconcile.resources import NoValue, ReadSession, read_data
from vault.reconcile.server_time import parse_time


def data_path(name: str, mount: str = KV_MOUNT) -> str:
    """Return the API path of the value of *name*, a path below the KV mount."""
    return f"{mount}/data/{name}"


def destroy_versions(session: Session, name: str, mount: str, before: int | None = None) -> None:
    """Destroy the versions of a secret below *before*, or all for None. Its metadata stays."""
    metadata = read_data(session, metadata_path(name, mount)) or {}
    alive = [
        int(number)
        for number, version in (metadata.get("versions") or {}).items()
        if not version["destroyed"] and (before is None or int(number) < before)
    ]
    if alive:
        session.post(f"{mount}/destroy/{name}", {"versions": alive})


def metadata_path(name: str, mount: str = KV_MOUNT) -> str:
    """Return the API path of the metadata of *name*, a path below the KV mount."""
    return f"{mount}/metadata/{name}"


def find_no_value(metadata: Mapping[str, Any], now: datetime) -> NoValue | None:
    """Return why an entry has no value at *now*, None if it has one."""
    version = metadata.get("current_version")
    if not version:
        return NoValue("no version was written")
    how = find_end(metadata["versions"][str(version)], now)
    return None if how is None else NoValue(f"version {version} is {how}", version)


def find_end(version: Mapping[str, Any], now: datetime) -> str | None:
    """Return ``destroyed`` or ``deleted`` for a version that the server does not return at *now*.

    A version with a scheduled deletion has that time as its deletion time from the beginning.
    """
    if version["destroyed"]:
        return "destroyed"
    deleted = parse_time(version["deletion_time"]) if version["deletion_time"] else None
    return "deleted" if deleted is not None and deleted <= now else None


def read_value(reader: ReadSession, name: str, mount: str = KV_MOUNT) -> str:
    """Return the value of *name*, a path below the KV mount."""
    path = data_path(name, mount)
    value = reader.get(path)["data"]["data"].get(VALUE_KEY)
    if not isinstance(value, str):
        raise SecretError(f"{path} has no string under {VALUE_KEY!r}; write it again")
    return value


def write_value(
    session: Session,
    name: str,
    value: Secret,
    *,
    cas: int | None = None,
    mount: str = KV_MOUNT,
) -> int:
    """Write *value* as a new version and return its number.

    Raise RequestRefused if *cas* is not the current version; 0 is for a secret without one.
    """
    check_secret_value(name, value)
    return write_fields(session, name, {VALUE_KEY: value.reveal()}, cas=cas, mount=mount)


def write_fields(
    session: Session,
    name: str,
    fields: Mapping[str, Any],
    *,
    cas: int | None = None,
    mount: str = KV_MOUNT,
) -> int:
    """Write *fields* as a new version and return its number. See :func:`write_value`."""
    options: dict[str, Any] = {} if cas is None else {"options": {"cas": cas}}
    body = {"data": fields, **options}
    response = session.post(data_path(name, mount), body, retry=False)
    version: int = response["data"]["version"]
    return version


def merge_metadata(
    session: Session,
    name: str,
    changes: Mapping[str, str | None],
    mount: str = KV_MOUNT,
    check: Callable[[Mapping[str, str]], None] = lambda _found: None,
) -> None:
    """Set the custom metadata keys in *changes*, remove those that are None, and keep the rest.

    If the server counts metadata versions, a concurrent change raises RequestRefused, so that it is
    not lost. *check* gets the metadata before the write, and may raise an error.
    """
    path = metadata_path(name, mount)
    data = read_data(session, path) or {}
    found = data.get("custom_metadata") or {}
    check(found)
    merged = {**found, **changes}
    merged = {key: value for key, value in merged.items() if value is not None}
    body: dict[str, Any] = {"custom_metadata": merged}
    version = data.get("current_metadata_version")
    if version is not None:
        body["metadata_cas"] = version
    try:
        session.post(path, body, retry=False)
    except RequestRefused as error:
        # The server's reason is not shown, because it may contain what is in KV.
        if (read_data(session, path) or {}).get("current_metadata_version") == version:
            raise
        raise RequestRefused(
            f"POST {path}: another client has changed it; run the command again",
            status=error.status,
        ) from None
