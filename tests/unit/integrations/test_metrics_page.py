"""Who sees `/metrics`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.datastructures import Headers

from app_integration.errors import ConfigurationError
from app_integration.integrations.metrics_page import answer
from app_integration.names import Environment, Scope
from app_integration.observability import metrics
from app_integration.observability.recorder import NullRecorder
from app_integration.settings import Settings

TOKEN = "the-token-of-the-scraper"


@pytest.fixture(autouse=True)
def _fresh_figures() -> Iterator[None]:
    metrics.set_recorder(None)
    yield
    metrics.set_recorder(None)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


def status(
    remote: str | None,
    environment: Environment = Environment.DEV,
    token_file: Path | None = None,
    headers: dict[str, str] | None = None,
) -> int:
    settings = Settings(Scope("shop", environment), "", metrics_token_file=token_file)
    return answer(remote, Headers(headers or {}), settings).status


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_in_development_this_machine_sees_them(remote: str) -> None:
    assert status(remote) == 200


@pytest.mark.parametrize(
    "remote", ["192.0.2.1", "::ffff:192.0.2.1", "10.0.0.1", "", None, "localhost"]
)
def test_another_machine_does_not(remote: str | None) -> None:
    assert status(remote) == 403


@pytest.mark.parametrize("header", ["Via", "FORWARDED", "X-Forwarded-For", "x-real-ip"])
def test_a_request_that_was_passed_on_is_not_of_this_machine(header: str) -> None:
    assert status("127.0.0.1", headers={header: "x"}) == 403


@pytest.mark.parametrize("environment", [Environment.STAGING, Environment.PROD])
def test_elsewhere_an_address_is_not_enough(environment: Environment) -> None:
    assert status("127.0.0.1", environment) == 403


@pytest.mark.parametrize("remote", ["192.0.2.1", None])
def test_the_token_opens_from_anywhere(token_file: Path, remote: str | None) -> None:
    given = {"Authorization": f"bearer  {TOKEN}"}
    assert status(remote, Environment.PROD, token_file, given) == 200


@pytest.mark.parametrize(
    "given", ["", TOKEN, f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN}x", "Bearer \xe9"]
)
def test_another_token_does_not(token_file: Path, given: str) -> None:
    assert status("127.0.0.1", Environment.PROD, token_file, {"Authorization": given}) == 403


def test_an_empty_token_file_is_an_error_and_opens_nothing(token_file: Path) -> None:
    token_file.write_text("\n")
    with pytest.raises(ConfigurationError, match="STRONGROOM_METRICS_TOKEN_FILE"):
        status("127.0.0.1", Environment.PROD, token_file, {"Authorization": "Bearer "})


def test_without_the_library_there_is_no_page() -> None:
    metrics.set_recorder(NullRecorder())
    assert status("127.0.0.1") == 404
