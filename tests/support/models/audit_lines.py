"""Lines of a server's audit log, made by hand, and a store of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from vault.audit.ingest.kind import LINES, RECORDS
from vault.audit.store import STORE
from vault.owned_folder import create, subfolder

TIME = "2026-05-01T12:00:00Z"
SALT = "hmac-sha256:"
_ids = count(1)


def line(
    path: str,
    operation: str = "read",
    *,
    time: str = TIME,
    kind: str = "response",
    auth: Mapping[str, Any] | None = None,
    response: Mapping[str, Any] | None = None,
    error: str | None = None,
    **request: Any,
) -> dict[str, Any]:
    request = {"id": str(UUID(int=next(_ids))), "remote_address": "10.0.0.1"} | request
    document = {
        "time": time,
        "type": kind,
        "auth": dict(auth or {}),
        "request": {"operation": operation, "path": path, **request},
    }
    if response is not None:
        document["response"] = dict(response)
    return document if error is None else {**document, "error": error}


def program(role: str, host: str | None = None, token: str = "t1", **auth: Any) -> dict[str, Any]:
    """Return the identity of a program that logged in by AppRole."""
    metadata = {"role_name": role} | ({} if host is None else {"host": host})
    return {
        "display_name": "approle",
        "accessor": f"{SALT}accessor-{token}",
        "client_token": f"{SALT}{token}",
        "policy_results": {"allowed": True},
        "metadata": metadata,
        **auth,
    }


def secret(version: int) -> dict[str, Any]:
    data = {"value": f"{SALT}value"}
    return {"mount_type": "kv", "data": {"data": data, "metadata": {"version": version}}}


def write_store(store: Path, lines: Iterable[Mapping[str, Any]], device: str = "audit-1") -> Path:
    """Write *lines* of a device to a store, and return its folder."""
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in LINES.grammar.columns.items())
    _write(
        store,
        "events",
        lines,
        lambda source: (
            f"SELECT *, '{device}' AS device FROM"
            f" ({LINES.select(f'read_json({source}, columns = {{{columns}}})')})"
        ),
    )
    return store


def parquet_name(number: int) -> str:
    """Return the name of a file with lines in a store."""
    return f"{number:016x}-{0:015}-{1:015}.parquet"


def write_records(store: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write access records of the SDK to a store, and return its folder."""
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in RECORDS.grammar.columns.items())
    _write(
        store,
        "records",
        records,
        lambda source: RECORDS.select(f"read_json({source}, columns = {{{columns}}})"),
    )
    return store


def _write(store: Path, name: str, documents: Iterable[Mapping[str, Any]], query: Any) -> None:
    folder = subfolder(create(store, STORE), name)
    number = len(list(folder.iterdir()))
    source, target = folder / f"{number}.log", folder / parquet_name(number)
    source.write_text("".join(f"{json.dumps(each)}\n" for each in documents), encoding="utf-8")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        read = f"'{source}', format = 'newline_delimited'"
        connection.execute(f"COPY ({query(read)}) TO '{target}'")
