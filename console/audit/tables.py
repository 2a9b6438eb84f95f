"""Tables of a report, and of an answer about one secret or actor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from console.audit.cells import (
    Cells,
    Kind,
    Row,
    Table,
    build_table,
    read_list,
    read_text,
    read_time,
)


def _numbers(*keys: str) -> Cells:
    return tuple((key, Kind.NUMBER, read_text(key)) for key in keys)


_WHO: Final[Cells] = (
    ("actor", Kind.NAME, read_text("actor")),
    ("host", Kind.NAME, read_text("host")),
    ("address", Kind.ADDRESS, read_text("address")),
)
_COUNT: Final[Cells] = (("requests", Kind.NUMBER, read_text("count")),)
_SEEN: Final[Cells] = (
    ("first", Kind.TIME, read_time("first")),
    ("last", Kind.TIME, read_time("last")),
)
_VERSIONS: Final[Cells] = (("versions", Kind.TEXT, read_list("versions")),)
_OUTCOME: Final[Cells] = (("outcome", Kind.OUTCOME, read_text("outcome")),)
_PATH: Final[Cells] = (
    ("operation", Kind.TEXT, read_text("operation")),
    ("path", Kind.PATH, read_text("path")),
)


def _object(row: Row) -> object:
    """Return a declared name with its service, else the path."""
    if row["name"] is None:
        return row["path"]
    return f"{row['service']}/{row['environment']} {row['name']}"


def _use(row: Row) -> object:
    uses = {"data": "read", "creds": "lease", "static-creds": "read"}
    use = uses.get(row["operation"], row["operation"])
    return f"{use} (wrapped)" if row.get("wrapped") else use


_READS: Final[Cells] = (
    ("what", Kind.NAME, _object),
    ("use", Kind.TEXT, _use),
    *(*_WHO, *_COUNT, *_VERSIONS, *_SEEN),
)
_SERVICES: Final[Cells] = (
    ("service", Kind.NAME, lambda row: row["service"] or "(other paths)"),
    ("environment", Kind.TEXT, read_text("environment")),
    *_numbers("requests", "reads", "readers", "changes", "denied", "failed", "absent"),
)
_LEASES: Final[Cells] = (
    ("time", Kind.TIME, read_time("time")),
    ("role", Kind.NAME, read_text("role")),
    ("user", Kind.NAME, lambda row: row["user"] or "(HMAC)"),
    ("lease", Kind.NAME, lambda row: (row["lease_id"] or "").rpartition("/")[2]),
    *_WHO,
)
_TOKENS: Final[Cells] = (
    ("actor", Kind.NAME, read_text("actor")),
    *_numbers("logins", "tokens", "unused"),
    ("used once", Kind.NUMBER, read_text("used_once")),
    ("reads", Kind.NUMBER, read_text("reads")),
    ("logins per read", Kind.NUMBER, read_text("logins_per_read")),
)
_TOKEN_DAYS: Final[Cells] = (
    ("day", Kind.TIME, read_text("day")),
    ("actor", Kind.NAME, read_text("actor")),
    *_numbers("logins", "issued", "renewed", "revoked", "reads"),
)
_ACTORS: Final[Cells] = (
    ("actor", Kind.NAME, read_text("actor")),
    ("kind", Kind.TEXT, lambda row: "person" if row["person"] else "program"),
    ("method", Kind.TEXT, read_list("methods")),
    ("alias", Kind.NAME, read_list("aliases")),
    ("hosts", Kind.NAME, read_list("hosts")),
    ("addresses", Kind.NAME, read_list("addresses")),
    *_COUNT,
    *_numbers("reads", "denied"),
    *_SEEN,
)
_TOKENLESS: Final[Cells] = (
    *_OUTCOME,
    *_PATH,
    ("address", Kind.ADDRESS, read_text("address")),
    *(*_COUNT, *_SEEN),
)
_CHANGES: Final[Cells] = (
    ("of", Kind.TEXT, read_text("subject")),
    *(*_PATH, *_WHO, *_COUNT, *_SEEN),
)
_PROCESS: Final[Cells] = (
    ("host", Kind.NAME, read_text("host")),
    ("process", Kind.NUMBER, read_text("pid")),
)
_RELEASED: Final[Cells] = (
    ("service", Kind.NAME, lambda row: f"{row['service']}/{row['environment']}"),
    ("secret", Kind.NAME, read_text("secret")),
)
_RELEASES: Final[Cells] = (
    *_RELEASED,
    *_OUTCOME,
    *_PROCESS,
    ("accesses", Kind.NUMBER, read_text("count")),
    *(*_VERSIONS, *_SEEN),
)
_UNRECORDED: Final[Cells] = (
    ("secret", Kind.NAME, _object),
    *(*_WHO, *_COUNT, *_SEEN),
)
_UNLOGGED: Final[Cells] = (
    *_RELEASED,
    *_PROCESS,
    ("request", Kind.NAME, read_text("request_id")),
    ("time", Kind.TIME, read_time("time")),
)

#: Key in the document → title, what the table shows, and its cells.
_TABLES: Final[Mapping[str, tuple[str, str, Cells]]] = {
    "services": ("Services", "Paths by the service that they are declared for.", _SERVICES),
    "reads": ("Reads", "Values that were read, and keys that were used.", _READS),
    "refusals": (
        "Refused requests",
        "Denied by a policy, failed, or for what does not exist.",
        (*_OUTCOME, *_PATH, *_WHO, *_COUNT, *_SEEN),
    ),
    "database_users": ("Database users", "Users that were leased, and who got each.", _LEASES),
    "tokens": (
        "Tokens",
        "A token's own login, renewal, look-up and revocation do not count as its use.",
        _TOKENS,
    ),
    "token_days": ("Logins by day", "What became of the tokens.", _TOKEN_DAYS),
    "actors": ("Actors", "Programs, and the people behind aliases.", _ACTORS),
    "without_token": (
        "Without a token",
        "Requests without a valid token, logins that failed among them.",
        _TOKENLESS,
    ),
    "changes": ("Changes", "Secrets, keys, policies, roles, mounts and the server.", _CHANGES),
}
#: The same of the access records.
_RECORD_TABLES: Final[Mapping[str, tuple[str, str, Cells]]] = {
    "releases": (
        "Releases by the SDK",
        "By its access records: hit is from the cache, miss from the server.",
        _RELEASES,
    ),
    "unrecorded": (
        "Reads without an access record",
        "With the service's role, by an agent or another program.",
        _UNRECORDED,
    ),
    "unlogged": (
        "Access records without a request in the log",
        "A log is missing, or the service reads from another server.",
        _UNLOGGED,
    ),
}
_ACTIONS: Final[Cells] = (
    ("kind", Kind.TEXT, read_text("category")),
    *(*_OUTCOME, *_PATH, *_WHO, *_COUNT, *_VERSIONS, *_SEEN),
)
_READERS: Final[Cells] = (
    *_WHO,
    ("use", Kind.TEXT, _use),
    *(*_OUTCOME, *_COUNT, *_VERSIONS, *_SEEN),
)
_PROCESSES: Final[Cells] = (
    *_PROCESS,
    *_OUTCOME,
    ("accesses", Kind.NUMBER, read_text("count")),
    *(*_VERSIONS, *_SEEN),
)
_VERSION_READERS: Final[Cells] = (
    ("version", Kind.NUMBER, read_text("version")),
    ("state", Kind.TEXT, lambda row: "current" if row["is_current"] else "older"),
    *_WHO,
    ("tokens", Kind.NUMBER, read_text("tokens")),
    ("reads", Kind.NUMBER, read_text("count")),
    ("last", Kind.TIME, read_time("last")),
)


def report_tables(document: Mapping[str, Any]) -> list[Table]:
    """Return the tables of a report, those of the access records if it has any."""
    left_out = document["left_out"]
    tables = [
        build_table(key, title, note, cells, document[key], left_out.get(key, 0))
        for key, (title, note, cells) in _TABLES.items()
    ]
    records = document["records"]
    if records["releases"]:
        tables += [
            build_table(key, title, note, cells, records[key], left_out.get(key, 0))
            for key, (title, note, cells) in _RECORD_TABLES.items()
        ]
    return tables


def who_tables(document: Mapping[str, Any]) -> list[Table]:
    """Return the tables of who read a secret."""
    return [
        _answer(document, "reads", "Requests to the server", _READERS),
        _answer(document, "processes", "Releases by the SDK", _PROCESSES),
    ]


def what_tables(document: Mapping[str, Any]) -> list[Table]:
    """Return the table of what an actor did."""
    return [_answer(document, "actions", "Requests", _ACTIONS)]


def version_tables(document: Mapping[str, Any]) -> list[Table]:
    """Return the table of the version that each reader got last."""
    return [_answer(document, "readers", "Readers", _VERSION_READERS)]


def _answer(document: Mapping[str, Any], key: str, title: str, cells: Cells) -> Table:
    left_out = document["left_out"].get(key, 0)
    return build_table(key, title, "", cells, document[key], left_out)
