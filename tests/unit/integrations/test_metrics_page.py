"""Access control of the page `/metrics`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.datastructures import Headers

from app_integration.errors import ConfigurationError
from app_integration.integrations.metrics_page import get_page
from app_integration.names import Environment, Scope
from app_integration.observability import metrics
from app_integration.observability.recorder import NullRecorder
from app_integration.settings import Settings

TOKEN = "the-token-of-the-scraper"


@pytest.fixture(autouse=True)
def _fresh_recorder() -> Iterator[None]:
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
    return get_page(remote, Headers(headers or {}), settings).status


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_get_page_in_development_from_this_machine_is_allowed(remote: str) -> None:
    assert status(remote) == 200


@pytest.mark.parametrize(
    "remote", ["192.0.2.1", "::ffff:192.0.2.1", "10.0.0.1", "", None, "localhost"]
)
def test_get_page_in_development_from_another_machine_is_forbidden(remote: str | None) -> None:
    assert status(remote) == 403


@pytest.mark.parametrize("header", ["Via", "FORWARDED", "X-Forwarded-For", "x-real-ip"])
def test_get_page_of_a_forwarded_request_is_forbidden(header: str) -> None:
    assert status("127.0.0.1", headers={header: "x"}) == 403


@pytest.mark.parametrize("environment", [Environment.STAGING, Environment.PROD])
def test_get_page_outside_development_from_this_machine_is_forbidden(
    environment: Environment,
) -> None:
    assert status("127.0.0.1", environment) == 403


@pytest.mark.parametrize("remote", ["192.0.2.1", None])
def test_get_page_with_the_token_is_allowed(token_file: Path, remote: str | None) -> None:
    headers = {"Authorization": f"bearer  {TOKEN}"}
    assert status(remote, Environment.PROD, token_file, headers) == 200


@pytest.mark.parametrize(
    "value", ["", TOKEN, f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN}x", "Bearer \xe9"]
)
def test_get_page_with_a_wrong_token_is_forbidden(token_file: Path, value: str) -> None:
    assert status("127.0.0.1", Environment.PROD, token_file, {"Authorization": value}) == 403


def test_get_page_with_an_empty_token_file_raises(token_file: Path) -> None:
    token_file.write_text("\n")
    with pytest.raises(ConfigurationError, match="STRONGROOM_METRICS_TOKEN_FILE"):
        status("127.0.0.1", Environment.PROD, token_file, {"Authorization": "Bearer "})


def test_get_page_without_prometheus_client_is_not_found() -> None:
    metrics.set_recorder(NullRecorder())
    assert status("127.0.0.1") == 404
