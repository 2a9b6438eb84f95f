"""A version of a KV entry, as it is read from the server's response."""

from __future__ import annotations

from app_integration.transport.payloads import parse_kv_version

PATH = "secret/data/shop/dev/token"


def test_representation_of_a_version_does_not_show_its_value() -> None:
    metadata = {"version": 3, "custom_metadata": {"owner": "team-a"}, "created_time": ""}
    found = parse_kv_version(
        {"data": {"data": {"value": "invented"}, "metadata": metadata}}, PATH, None
    )
    assert found.fields == {"value": "invented"}
    assert "invented" not in f"{found!r} {found.fields!r}"
