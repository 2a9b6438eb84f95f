"""Ages on the server. Only metadata is read: no value, no password and no secret-id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from app_integration.errors import AccessDenied
from app_integration.mounts import Mounts
from app_integration.names import HOST_KEY, ISSUED_KEY
from vault.reconcile.resources import ReadSession, read_data
from vault.reconcile.resources.kv import find_no_value, metadata_path
from vault.reconcile.server_time import parse_time
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.live_tokens import look_up
from vault.rotation.server_versions import parse_creation

NO_TIME: Final = (
    "the server keeps no time of this rotation; rotate it with strongroom rotate, or pass an audit "
    "log that has it"
)

OTHER_STORE: Final = "the key of a blind index is in the application's database"


@dataclass(frozen=True, slots=True)
class Age:
    """Age of one value on the server.

    None is what is not known, or does not exist. A value that does not exist is known. *accessor*
    identifies a secret-id, and is no credential.
    """

    created: datetime | None = None
    rotated: datetime | None = None
    version: int | None = None
    expires: datetime | None = None
    accessor: str | None = None
    reason: str | None = None
    is_known: bool = True
    issued: str | None = None
    host: str | None = None


def read_ages(reader: ReadSession, item: Item, mounts: Mounts, now: datetime) -> list[Age]:
    """Return the ages of *item*: one, or one for each secret-id of an AppRole."""
    name = item.server_name
    match item.kind:
        case Kind.SECRET | Kind.USER_PAIR:
            return [_kv_age(read_data(reader, metadata_path(name, mounts.kv)) or {}, now)]
        case Kind.KEY:
            return [_key_age(read_data(reader, f"{mounts.transit}/keys/{name}"))]
        case Kind.STATIC_USER:
            return [_static_age(read_data(reader, f"{mounts.database}/static-roles/{name}"))]
        case Kind.ROOT_USER:
            return [Age(reason=NO_TIME, is_known=False)]
        case Kind.INDEX_KEY:
            return [Age(reason=OTHER_STORE, is_known=False)]
        case Kind.SECRET_ID:
            return _secret_id_ages(reader, f"{mounts.auth}/role/{name}", now)


def _kv_age(data: Mapping[str, Any], now: datetime) -> Age:
    missing = find_no_value(data, now)
    if missing is not None:
        return Age(version=missing.version, reason=missing.reason)
    version = data["current_version"]
    created = parse_time(data["versions"][str(version)]["created_time"])
    return Age(created, created if version > 1 else None, version)


def _key_age(data: Mapping[str, Any] | None) -> Age:
    if data is None:
        return Age(reason="the key does not exist")
    version = data["latest_version"]
    created = parse_creation(data["keys"][str(version)])
    return Age(created, created if version > 1 else None, version)


def _static_age(data: Mapping[str, Any] | None) -> Age:
    if data is None:
        return Age(reason="the static role does not exist")
    rotated = parse_time(data["last_vault_rotation"])
    if rotated is None:
        return Age(reason="the server has not set the password yet")
    return Age(rotated, rotated)


def _secret_id_ages(reader: ReadSession, role: str, now: datetime) -> list[Age]:
    if read_data(reader, role) is None:
        return [Age(reason="the AppRole does not exist")]
    try:
        ages = [
            age
            for accessor in reader.list(f"{role}/secret-id")
            for age in _secret_id_age(reader, role, accessor, now)
        ]
    except AccessDenied:
        reason = "the secret-ids must not be listed; the credential of the auditor may do that"
        return [Age(reason=reason, is_known=False)]
    ages.sort(key=lambda age: (age.created is None, age.created, age.accessor))
    return ages or [Age(reason="the AppRole has no valid secret-id")]


def _secret_id_age(reader: ReadSession, role: str, accessor: str, now: datetime) -> Iterator[Age]:
    """Yield the age of a secret-id, nothing if it was used up or has expired."""
    path, body = f"{role}/secret-id-accessor/lookup", {"secret_id_accessor": accessor}
    data = look_up(reader, path, body, HTTPStatus.NOT_FOUND)
    if data is None:
        return
    created, expires = (parse_time(data[key]) for key in ("creation_time", "expiration_time"))
    if expires is None or expires > now:
        metadata = data.get("metadata") or {}
        issued, host = metadata.get(ISSUED_KEY), metadata.get(HOST_KEY)
        yield Age(created, expires=expires, accessor=accessor, issued=issued, host=host)
