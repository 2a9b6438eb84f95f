"""Entries of a dump's table of contents, and the choice of those that a restore needs."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

#: ``17; 2615 2200 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES gaara_store_owner``.
_ENTRY: Final = re.compile(r"\d+; \d+ \d+ (?P<what>.*)")
_DEFAULT_PRIVILEGES: Final = "DEFAULT ACL "


def select_entries(
    listing: str, *, owner: str, extensions: Collection[str], schemas: Collection[str]
) -> str:
    """Return the lines of *listing* that a restore as *owner* needs and may run.

    Left out are schemas and extensions that the target has, with the comments of the latter,
    because only the creator of an extension may comment on it; and default privileges of other
    roles, because they concern only objects that those roles create later.

    Args:
        listing: Table of contents of the dump.
        owner: Role that owns the restored objects.
        extensions: Extensions of the target.
        schemas: Schemas of the target.

    """
    skipped = {f"EXTENSION - {name} " for name in extensions}
    skipped |= {f"SCHEMA - {name} " for name in schemas}
    skipped |= {f"COMMENT - EXTENSION {name} " for name in extensions}
    kept = []
    for line in listing.splitlines():
        found = _ENTRY.fullmatch(line)
        what = f"{found['what']} " if found else ""
        if any(what.startswith(each) for each in skipped):
            continue
        if what.startswith(_DEFAULT_PRIVILEGES) and not what.endswith(f" {owner} "):
            continue
        kept.append(line)
    return "\n".join(kept) + "\n"
