"""A version of a KV entry, as the server sends it."""

from __future__ import annotations

from app_integration.transport.payloads import KvVersion


def test_representation_of_a_version_does_not_show_its_value() -> None:
    version = KvVersion(3, {"value": "invented"}, {"owner": "team-a"}, "", None)
    assert version.fields == {"value": "invented"}
    assert "invented" not in repr(version)
