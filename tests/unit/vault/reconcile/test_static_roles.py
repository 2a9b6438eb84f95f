"""Entries of adopted secrets."""

from __future__ import annotations

from vault.reconcile.resources.static_roles import SecretEntry


def test_representation_of_an_entry_does_not_show_its_value() -> None:
    entry = SecretEntry(3, {"value": "postgresql://ada:invented@db/shop"}, None)
    assert entry.value == "postgresql://ada:invented@db/shop"
    assert "invented" not in repr(entry)
