"""Inserts that update a row which exists, and the key to which its tokens are bound."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from app_integration.errors import EncryptionError
from app_integration.integrations.sqlalchemy.columns import TokenType


def check_upsert(statement: Any, table: Table) -> None:
    """Raise EncryptionError if an upsert may write a token into a row with another key."""
    clause = getattr(statement, "_post_values_clause", None)
    updated = {_name(each) for each in dict(getattr(clause, "update_values_to_set", ()))}
    if updated.isdisjoint(each.key for each in table.c if isinstance(each.type, TokenType)):
        return
    by = {_name(each) for each in getattr(clause, "inferred_target_elements", None) or ()}
    constraint = getattr(clause, "constraint_target", None)
    is_by_key = {each.key for each in table.primary_key} <= by
    if not is_by_key and constraint not in {table.primary_key.name or "", f"{table.name}_pkey"}:
        raise EncryptionError(
            f"{table.name}: an upsert by {', '.join(sorted(by)) or constraint} finds rows with "
            "other keys, to which tokens are bound; find the objects and assign their values, or "
            "name the primary key in index_elements"
        )


def _name(column: Any) -> str:
    # Before 2.0.37 an attribute stays one, whose own key need not be that of its column.
    return str(getattr(getattr(column, "expression", column), "key", column))
