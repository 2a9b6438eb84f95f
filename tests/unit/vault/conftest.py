"""Servers in memory, and changed declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from app_integration.auth.methods import StaticToken
from app_integration.errors import RequestRefused
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing import policies
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from vault.declare.declaration import Declaration

#: The valid declaration of tests/faults.
BASE: Final = Path(__file__).parents[2] / "faults" / "declare" / "base"


class FixedResponses:
    """A reader of a server with fixed responses by path: none is a 404, an exception is raised."""

    def __init__(self, responses: Mapping[str, Any]) -> None:
        self.responses = dict(responses)
        self.paths: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.paths.append(path)
        found = self.responses.get(path)
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise RequestRefused(path, status=404)
        return {"data": found}

    def list(self, path: str) -> list[str]:
        raise AssertionError(path)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        raise AssertionError(path, body)


@contextmanager
def root_session(memory: MemoryVault) -> Iterator[Session]:
    """Yield a session with *memory* that may do everything."""
    token = memory.tokens.issue("operator", (policies.ROOT,), ttl=float("inf"))
    with Session(ADDRESS, StaticToken(Secret(token.value)), connect=lambda: memory) as session:
        yield session


def change_deployment(declaration: Declaration, scope: Scope, **fields: object) -> Declaration:
    """Return *declaration* with other *fields* of a service in an environment."""
    declared = declaration.environment(scope.environment)
    changed = declared.services[scope.service].model_copy(update=fields)
    services = {**declared.services, scope.service: changed}
    return declaration._with(declared.model_copy(update={"services": services}))
