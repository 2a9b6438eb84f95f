"""Tables of a report, and of an answer about one secret or actor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from console.views.cells import Cell, Mark, shorten, show_time
from console.views.escapes import escape_unprintable
from console.views.table import Column, Kind, Table, columns
from vault.reconcile.resources.ownership import FOLDER

#: Outcomes that have a colour.
_OUTCOMES: Final = frozenset({"ok", "denied", "failed", "absent"})
#: A row of a document.
Row = Mapping[str, Any]
#: Each column, and what returns its content. Names in a log may have any characters.
Cells = tuple[tuple[Column, Callable[[Row], object]], ...]


def _cells(text: str, read: Callable[[Row], object] | None = None) -> Cells:
    """Return columns whose content is that of the key of the row, by default the heading's.

    *text* has kind, heading and key of each, such as ``name actor, number requests=count``.
    """
    found = []
    for each in columns(text):
        heading, _, key = each.heading.partition("=")
        column = Column(heading, each.kind)
        found.append((column, read or _reader(key or heading, column.kind)))
    return tuple(found)


def _reader(key: str, kind: Kind) -> Callable[[Row], object]:
    def read(row: Row) -> object:
        value = row[key]
        if isinstance(value, (list, tuple)):
            return shorten(value)
        return show_time(value) if kind is Kind.TIME else value

    return read


_WHO: Final = _cells("name actor, name host, address address")
_COUNT: Final = _cells("number requests=count")
_SEEN: Final = _cells("time first, time last")
_VERSIONS: Final = _cells("text versions")
_OUTCOME: Final = _cells("outcome outcome")
_PATH: Final = _cells("text operation, path path")


def _object(row: Row) -> object:
    """Return a declared name with its service, else the path."""
    if row["name"] is None:
        return row["path"]
    return f"{row['service']}/{row['environment']} {row['name']}"


def _use(row: Row) -> object:
    uses = {"data": "read", "creds": "lease", "static-creds": "read"}
    use = uses.get(row["operation"], row["operation"])
    return f"{use} (wrapped)" if row.get("wrapped") else use


_READS: Final = (
    *(*_cells("name what", _object), *_cells("text use", _use)),
    *(*_WHO, *_COUNT, *_VERSIONS, *_SEEN),
)
_SERVICES: Final = (
    *_cells("name service", lambda row: row["service"] or "(other paths)"),
    *_cells("text environment, number requests, number reads, number readers, number changes"),
    *_cells("number denied, number failed, number absent"),
)
_LEASES: Final = (
    *_cells("time time, name role"),
    *_cells("name user", lambda row: row["user"] or "(HMAC)"),
    *_cells("name lease", lambda row: (row["lease_id"] or "").rpartition("/")[2]),
    *_WHO,
)
_TOKENS: Final = (
    *_cells("name actor, number logins, number tokens, number unused"),
    *_cells("number used once=used_once, number reads, number logins per read=logins_per_read"),
)
_TOKEN_DAYS: Final = (
    *_cells("time day", lambda row: row["day"]),
    *_cells("name actor, number logins, number issued, number renewed, number revoked"),
    *_cells("number reads"),
)
_ACTORS: Final = (
    *_cells("name actor"),
    *_cells("text kind", lambda row: "person" if row["person"] else "program"),
    *_cells("text method=methods, name alias=aliases, name hosts, name addresses"),
    *(*_COUNT, *_cells("number reads, number denied"), *_SEEN),
)
_TOKENLESS: Final = (*_OUTCOME, *_PATH, *_cells("address address"), *_COUNT, *_SEEN)
_CHANGES: Final = (*_cells("text of=subject"), *_PATH, *_WHO, *_COUNT, *_SEEN)
_PROCESS: Final = (*_cells("name host"), *_cells("number process", lambda row: str(row["pid"])))
_RELEASED: Final = (
    *_cells("name service", lambda row: f"{row['service']}/{row['environment']}"),
    *_cells("name secret"),
)
_RELEASES: Final = (
    *(*_RELEASED, *_OUTCOME, *_PROCESS),
    *(*_cells("number accesses=count"), *_VERSIONS, *_SEEN),
)
_UNRECORDED: Final = (*_cells("name secret", _object), *_WHO, *_COUNT, *_SEEN)
_UNLOGGED: Final = (*_RELEASED, *_PROCESS, *_cells("name request=request_id, time time"))

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
    "token_days": (
        "Logins by day",
        "Each actor's logins, and how it used the tokens.",
        _TOKEN_DAYS,
    ),
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
_ACTIONS: Final = (
    *_cells("text kind=category"),
    *(*_OUTCOME, *_PATH, *_WHO, *_COUNT, *_VERSIONS, *_SEEN),
)
_READERS: Final = (
    *(*_WHO, *_cells("text use", _use)),
    *(*_OUTCOME, *_COUNT, *_VERSIONS, *_SEEN),
)
_PROCESSES: Final = (
    *(*_PROCESS, *_OUTCOME),
    *(*_cells("number accesses=count"), *_VERSIONS, *_SEEN),
)
_VERSION_READERS: Final = (
    *_cells("number version", lambda row: str(row["version"])),
    *_cells("text state", lambda row: "current" if row["is_current"] else "older"),
    *(*_WHO, *_cells("number tokens, number reads=count, time last")),
)


def report_tables(document: Mapping[str, Any]) -> list[Table]:
    """Return the tables of a report, those of the access records if it has any."""
    left_out = document["left_out"]
    shown = {**document, "refusals": [row for row in document["refusals"] if not _is_own(row)]}
    notes = {"refusals": f" {describe_own(document)}"}
    tables = [
        _build(
            key,
            title,
            f"{note}{notes.get(key, '')}".strip(),
            cells,
            shown[key],
            left_out.get(key, 0),
        )
        for key, (title, note, cells) in _TABLES.items()
    ]
    records = document["records"]
    if records["releases"]:
        tables += [
            _build(key, title, note, cells, records[key], left_out.get(key, 0))
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
    return _build(key, title, "", cells, document[key], document["left_out"].get(key, 0))


def _build(
    key: str, title: str, note: str, cells: Cells, rows: Iterable[Row], left_out: int
) -> Table:
    shown = [tuple(_show(read(row), column.kind) for column, read in cells) for row in rows]
    headings = tuple(column for column, _ in cells)
    return Table(title, headings, shown, id=key, note=note, left_out=left_out)


def describe_own(document: Mapping[str, Any]) -> str:
    """Return a sentence about the refused requests that are left out, empty if none is."""
    count = sum(row["count"] for row in document["refusals"] if _is_own(row))
    return f"Without {count:,} for Strongroom's own records, which --json has." if count else ""


def _is_own(row: Row) -> bool:
    """Return whether *row* asks for a record of Strongroom's own that was never written."""
    return row["outcome"] == "absent" and FOLDER in row["path"].split("/")


def _show(content: object, kind: Kind) -> Cell:
    if kind is Kind.NUMBER and isinstance(content, int):
        return content
    text = "" if content is None else escape_unprintable(str(content))
    return Mark(text) if kind is Kind.OUTCOME and text in _OUTCOMES else text
