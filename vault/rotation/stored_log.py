"""Responses in the store of audit lines, which has archived segments, too.

Lines that differ in nothing but their time are grouped by DuckDB, and the first and the last one of
a group are read. So what is read is as little as there are readers, however long the log is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from app_integration.errors import ConfigurationError
from vault.audit.event_columns import OUTCOME
from vault.audit.event_file import EventFile
from vault.audit.extra import import_extra
from vault.audit.ingest.index import Index, LogEntry
from vault.audit.store import REBUILD, open_store, require_lines
from vault.rotation.audit_response import Response
from vault.rotation.response_log import last_time

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS: Final = 10_000

#: Fields of a response → SQL. A name that the log has as an HMAC only is none.
_FIELDS: Final = {
    "operation": "coalesce(operation, '')",
    "path": "path",
    "namespace": "namespace",
    "role": "coalesce(plain(role), plain(username))",
    "host": "plain(host)",
    "display_name": "plain(display_name)",
    "has_data": "has_data",
    "is_wrapped": "is_wrapped",
    "secret_version": "version",
    "key_version": "key_version",
    "issued": "plain(issued)",
    "address": "nullif(address, '')",
}
#: Those of tokens. With them there are many more groups.
_TOKEN_FIELDS: Final = {
    "token": "coalesce(accessor, token)",
    "token_ttl": "token_ttl",
    "token_issued": "epoch_us(token_issued)",
    "policies": "coalesce(policies, [])",
    "is_batch": "accessor IS NULL",
    "given_accessor": "nullif(given_accessor, '')",
    "renewed": "new_accessor",
    # Of a read whose lines show which names of a token, by device, are of the same one.
    "id": "CASE WHEN request_id IN (FROM shared) THEN request_id::VARCHAR ELSE '' END",
}
_PLAIN: Final = """
CREATE TEMP MACRO plain(name) AS
    CASE WHEN name <> '' AND NOT starts_with(name, 'hmac-') THEN name END
"""
#: Without the lines of further devices left out, because each names tokens by other HMACs.
_WANTED: Final = f"""
CREATE TEMP VIEW wanted AS
SELECT * FROM lines
WHERE type = 'response' AND namespace = getvariable('namespace')
    AND path IN (SELECT unnest(getvariable('paths'))) AND {OUTCOME} = 'ok'
"""
#: One read for each pair of names of a token.
_SHARED: Final = """
CREATE TEMP TABLE shared AS
SELECT arg_max(request_id, devices) FROM (
    SELECT request_id, count(DISTINCT device) AS devices,
        min(coalesce(accessor, token)) AS first, max(coalesce(accessor, token)) AS last
    FROM wanted WHERE request_id IS NOT NULL AND version IS NOT NULL AND operation = 'read'
    GROUP BY request_id
)
WHERE first <> last GROUP BY first, last
"""


@dataclass(slots=True)
class StoredLog:
    """The logs of a store. See :class:`~vault.rotation.response_log.ResponseLog`."""

    folder: Path
    namespace: str
    update: Callable[[], object]
    logs: list[LogEntry] = field(default_factory=list)

    @property
    def files(self) -> list[EventFile]:
        """Return what was read of each log."""
        return [_describe(each) for each in self.logs]

    def responses(self, paths: Collection[str], *, by_token: bool) -> Iterator[Response]:
        """Bring the store up to date, and yield the responses.

        Each call yields all of them. The first and the last one of a group stand for it.
        """
        self.update()
        with open_store(self.folder) as connection:
            require_lines(connection, self.folder)
            index = Index.load(self.folder)
            self.logs = [each for each in index.logs.values() if each.parts and each.device]
            try:
                yield from self._query(connection, paths, by_token=by_token)
            except import_extra("duckdb").Error as error:
                raise ConfigurationError(
                    f"the store {self.folder} cannot be read ({type(error).__name__}); check the "
                    f"free space there, or {REBUILD}"
                ) from None

    def _query(
        self, connection: Any, paths: Collection[str], *, by_token: bool
    ) -> Iterator[Response]:
        connection.execute("SET VARIABLE namespace = ?", [self.namespace.strip("/")])
        connection.execute("SET VARIABLE paths = ?", [sorted(paths)])
        for statement in (_PLAIN, _WANTED, *([_SHARED] if by_token else ())):
            connection.execute(statement)
        fields = _FIELDS | (_TOKEN_FIELDS if by_token else {})
        columns = ", ".join(f"{sql} AS {name}" for name, sql in fields.items())
        # In microseconds, cut as Python cuts them. A cast would round.
        moments = "epoch_ns(time) // 1000 AS moment"
        connection.execute(
            f"SELECT min(moment), max(moment), COLUMNS(* EXCLUDE (moment))"
            f" FROM (SELECT {moments}, {columns} FROM wanted) GROUP BY ALL ORDER BY 2"
        )
        while rows := connection.fetchmany(_ROWS):
            for first, last, *values in rows:
                found = dict(zip(fields, values, strict=True))
                if found.get("token_issued") is not None:
                    found["token_issued"] = _time(found["token_issued"])
                named = found.get("policies", ())
                found["policies"] = tuple(each for each in named if each is not None)
                for moment in {first, last}:
                    yield Response(time=_time(moment), **found)

    def covers(self, start: datetime, end: datetime) -> bool:
        """Return whether the store has all that a device has logged in this time.

        A log that has ended is whole if its end was read, which is so once its segment was. A log
        without a read line is not noticed.
        """
        return any(self._covers(device, start, end) for device in {e.device for e in self.logs})

    def _covers(self, device: str | None, start: datetime, end: datetime) -> bool:
        logs = [(_describe(each), each) for each in self.logs if each.device == device]
        logs.sort(key=lambda each: each[0].last or _EPOCH, reverse=True)
        whole = [logs[0][0]]
        for log, entry in logs[1:]:
            if not entry.is_ended:
                break
            whole.append(log)
        last = last_time(whole)
        return last is not None and end <= last and any(e.first and e.first <= start for e in whole)


def _describe(entry: LogEntry) -> EventFile:
    """Return what was read of a log, which has a line. It is named by its device if it is gone."""
    return EventFile(
        Path(next(reversed(entry.stamps), entry.device or "")),
        lines=entry.rows,
        skipped=entry.damaged + bool(entry.pending),
        first=min(_parse(part.first) for part in entry.parts),
        last=max(_parse(part.last) for part in entry.parts),
    )


def _parse(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
