"""Plaintext columns of every type that a migration takes, and values for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID


@dataclass(frozen=True)
class TypedColumn:
    """A plaintext column."""

    sql_type: LiteralString
    kind: type
    edges: tuple[Any, ...]
    choose: Callable[[random.Random], Any]


def _text(choose: random.Random) -> str:
    return f"{choose.random()} Grüße ∞ {choose.randrange(99)}"


def _json(choose: random.Random) -> dict[str, Any]:
    return {"größe": choose.random(), "is": choose.random() < 0.5, "of": [1, None, "1"]}


_INSTANT: Final = datetime(2026, 1, 31, 23, 59, 59, 999_999, UTC)

COLUMNS: Final[dict[str, TypedColumn]] = {
    "name": TypedColumn("text", str, ("", "é" * 2**19, " \x01\r\n𝄞"), _text),
    "email": TypedColumn(
        "varchar(80)", str, ("", "Ü" * 80), lambda choose: f"Guest{choose.random()}@example.com"
    ),
    "nick": TypedColumn("citext", str, ("", "ADA", "Ada"), _text),
    "photo": TypedColumn("bytea", bytes, (b"", b"\xff\xfe\x00\xc3"), lambda it: it.randbytes(9)),
    "age": TypedColumn("smallint", int, (0, -(2**15), 2**15 - 1), lambda it: it.randrange(99)),
    "visits": TypedColumn("int", int, (0, -(2**31), 2**31 - 1), lambda it: it.randrange(9999)),
    "points": TypedColumn("bigint", int, (0, -(2**63), 2**63 - 1), lambda it: it.getrandbits(60)),
    "vip": TypedColumn("boolean", bool, (False, True), lambda it: it.random() < 0.5),
    "balance": TypedColumn(
        "numeric",
        Decimal,
        (Decimal("0.00"), Decimal("-98765432109876543210.0123456789"), Decimal(10) ** 40),
        lambda it: Decimal(it.randrange(10**6)) / 100,
    ),
    "price": TypedColumn(
        "numeric(8, 2)",
        Decimal,
        (Decimal("0.00"), Decimal("-999999.99")),
        lambda it: Decimal(it.randrange(10**6)).scaleb(-2),
    ),
    "born": TypedColumn(
        "date",
        date,
        (date.min, date.max),
        lambda it: date(1980, 1, 1) + timedelta(it.randrange(9999)),
    ),
    "seen": TypedColumn(
        "timestamptz",
        datetime,
        (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
        lambda it: _INSTANT + timedelta(seconds=it.randrange(10**8)),
    ),
    "noted": TypedColumn(
        "timestamp",
        datetime,
        (datetime.min, datetime.max),  # noqa: DTZ901 (times without zone)
        lambda it: _INSTANT.replace(tzinfo=None) + timedelta(seconds=it.randrange(10**8)),
    ),
    "host": TypedColumn("inet", str, ("::", "255.0.0.1/8"), lambda it: f"10.0.0.{it.randrange(9)}"),
    "scores": TypedColumn(
        "bigint[]",
        list,
        ([], [None, -(2**63), 2**63 - 1]),
        lambda it: [it.getrandbits(60), None],
    ),
    "device": TypedColumn(
        "uuid", UUID, (UUID(int=0), UUID(int=2**128 - 1)), lambda it: UUID(int=it.getrandbits(128))
    ),
    "notes": TypedColumn("json", dict, ({}, {"b": 1e300, "a": {"": [-0.5, 2**70]}}), _json),
    "tags": TypedColumn(
        "jsonb", list, ([], [[], {}, None, True, 1, 0.1, "ß"]), lambda it: [it.random(), {}]
    ),
}


def choose_value(name: str, choose: random.Random) -> Any:
    """Return a value for the column *name*, or None."""
    column, chance = COLUMNS[name], choose.random()
    if chance < 0.2:
        return None
    return column.choose(choose)


def iter_rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield *count* rows: one of NULLs, then those of the bounds, then others."""
    choose = random.Random(count)  # noqa: S311 (values of test rows, not keys)
    bounds = max(len(each.edges) for each in COLUMNS.values())
    for at in range(-1, count - 1):
        if at < 0:
            yield dict.fromkeys(COLUMNS)
        elif at < bounds:
            yield {name: each.edges[at % len(each.edges)] for name, each in COLUMNS.items()}
        else:
            yield {name: choose_value(name, choose) for name in COLUMNS}
