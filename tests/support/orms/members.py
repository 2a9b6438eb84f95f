"""The table of :mod:`tests.support.databases.guarded_members` in the versions of an application."""

from __future__ import annotations

import functools
from datetime import date
from typing import Any, Final

from app_integration.integrations.plaintext import Phase
from tests.support.orms.orm import Encrypted, Key, Plain, Table

BORN: Final = date(1815, 12, 10)
#: The versions in their order; None is the one after the last phase.
VERSIONS: Final = (*Phase, None)


@functools.cache
def members(key: Key, phase: Phase | None) -> Table:
    def attribute(name: str, kind: type, **index: Any) -> Encrypted:
        plaintext = None if phase is None else name
        bound: dict[str, Any] = {"context": ("id", "club"), "column": f"{name}_token"}
        return Encrypted(
            f"members.{name}", kind, null=True, plaintext=plaintext, phase=phase, **bound, **index
        )

    return Table(
        f"Member{key.name.title()}{phase.name.title() if phase else 'After'}",
        "members",
        {
            "club": Plain(),
            "visits": Plain(int, 0),
            "email": attribute("email", str, normalise="email", rows=100_000),
            "born": attribute("born", date),
        },
        key,
        "member_id",
    )
