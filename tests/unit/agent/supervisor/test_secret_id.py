"""Tests of the wrapped secret-id that starts an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.supervisor.agent_unit import issue_secret_id
from app_integration.session.session import Session


def test_secret_id_is_requested_wrapped() -> None:
    requested: list[tuple[str, int | None]] = []

    class Fake(Session):
        def __init__(self) -> None:
            """Skip the constructor, which needs a server."""

        def post(
            self,
            path: str,
            body: Mapping[str, Any] | None = None,
            *,
            wrap_ttl: int | None = None,
            retry: bool = True,
        ) -> dict[str, Any]:
            metadata = '{"issued":"agent"}'
            assert body == {"num_uses": "1", "ttl": "120s", "metadata": metadata}
            assert retry
            requested.append((path, wrap_ttl))
            return {"wrap_info": {"token": "s.wrapped"}}

    assert issue_secret_id(Fake(), "gaara-store-dev", 120) == "s.wrapped"
    assert requested == [("auth/approle/role/gaara-store-dev/secret-id", 120)]
