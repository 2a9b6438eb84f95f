"""Pytest fixtures that are installed with the SDK: ``vault`` and ``real_vault``.

The plugin keeps values out of the reports of failed assertions, too. At the end of the run it
closes the SDK, so that its leases are revoked while pytest still captures what is logged.

>>> def test_login(vault):                                   # doctest: +SKIP
...     vault.put("jwt-secret", "signing key")
...     with vault.fault(Fault.SEALED):
...         assert get_secret("jwt-secret", default=None)    # the cache answers
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app_integration.secret import Secret

if TYPE_CHECKING:
    from app_integration.testing.application import Application, MemoryApplication
    from app_integration.testing.dev_server import RealServer


@pytest.hookimpl(tryfirst=True)
def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Report a failed comparison of a secret without the characters in which it differs."""
    if any(isinstance(each, Secret) for value in (left, right) for each in _compared(value)):
        return [f"{left!r} {op} {right!r}", "", "the difference of a secret is not shown"]
    return None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Close the SDK, if a test or a fixture has loaded it."""
    if default_client := sys.modules.get("app_integration.default_client"):
        default_client.close()


def _compared(value: object) -> list[object]:
    """Return *value* and the attributes of a dataclass or the like, which pytest compares too."""
    kind = type(value)
    names = [*getattr(kind, "__match_args__", ()), *getattr(kind, "__slots__", ())]
    attributes = getattr(value, "__dict__", {}).values()
    return [value, *attributes, *(getattr(value, name, None) for name in names)]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[MemoryApplication]:
    """Connect the SDK's public functions to a server in memory.

    The service is the one that ``STRONGROOM_SERVICE`` names, or ``app``.
    """
    # Imported here, so that a test run that uses none of these fixtures does not load the SDK.
    from app_integration.testing.application import in_memory  # noqa: PLC0415

    folder = tmp_path / "vault"
    folder.mkdir()
    with in_memory(os.environ.get("STRONGROOM_SERVICE") or "app", folder) as application:
        yield application


@pytest.fixture(scope="session")
def real_vault_server() -> Iterator[RealServer]:
    """Start one real server for the test run; ``STRONGROOM_RUNTIME=docker`` selects a container."""
    from app_integration.errors import ConfigurationError  # noqa: PLC0415 (as above)
    from app_integration.testing.dev_server import real_server  # noqa: PLC0415 (as above)

    with ExitStack() as stack:
        try:
            runtime = os.environ.get("STRONGROOM_RUNTIME") or "embedded"
            running = stack.enter_context(real_server(runtime))
        except ConfigurationError as missing:
            pytest.skip(str(missing))
        yield running


@pytest.fixture
def real_vault(real_vault_server: RealServer, tmp_path: Path) -> Iterator[Application]:
    """Connect the SDK's public functions to a real server, under a unique service name."""
    from app_integration.testing.application import application_on_server  # noqa: PLC0415 (as above)

    folder = tmp_path / "real-vault"
    folder.mkdir()
    server = real_vault_server
    with application_on_server(server.address, server.root_token, folder) as application:
        yield application
