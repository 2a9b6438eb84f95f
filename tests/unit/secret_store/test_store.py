from __future__ import annotations

import json
import threading
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import (
    AccessDenied,
    AuditFailed,
    AuthenticationFailed,
    InvalidName,
    Sealed,
    SecretDeleted,
    SecretNotFound,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.audit_sinks import FileSink
from app_integration.secret import Secret
from app_integration.secret_store.cache_entry import FALLBACK_TTL, current
from app_integration.secret_store.store import SecretStore
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret
from tests.support.clock import Clock

SCOPE = Scope("shop", Environment.PROD)
LIMITS = Limits(cache_ttl=300.0, stale_limit=3600.0, cache_entries=3)


class Script:
    """Source with scripted answers that counts its requests."""

    def __init__(self, *answers: str | StrongroomError, name: str = "vault") -> None:
        self.name = name
        self.is_authoritative = name == "vault"
        self.answers = deque(answers)
        self.calls = 0

    def fetch(self, _name: str, *_: object) -> FetchedSecret:
        self.calls += 1
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, StrongroomError):
            raise answer
        return FetchedSecret(Secret(answer), source=self.name, version=self.calls, request_id="r-1")


class Shop:
    """Store over scripted sources, with its audit lines."""

    def __init__(self, *sources: Script, mode: str = "each", **options: Any) -> None:
        self.lines: list[str] = []
        self.clock = Clock(1000.0)
        self.store = SecretStore(
            sources,
            AuditLog(SCOPE, self.lines.append, mode=mode, clock=self.clock),
            limits=LIMITS,
            registry=redaction.SecretRegistry(),
            clock=self.clock,
            **{"development": True, **options},
        )

    def outcomes(self) -> list[str]:
        return [json.loads(line)["outcome"] for line in self.lines]


def test_fresh_value_is_served_without_a_request() -> None:
    source = Script("one", "two")
    shop = Shop(source)
    assert [shop.store.get("jwt-secret") for _ in range(3)] == ["one"] * 3
    assert source.calls == 1
    assert shop.outcomes() == ["miss", "hit", "hit"]


def test_value_past_its_ttl_is_requested_again() -> None:
    shop = Shop(Script("one", "two"))
    assert shop.store.get("jwt-secret") == "one"
    shop.clock.now += LIMITS.cache_ttl
    assert shop.store.get("jwt-secret") == "two"


def test_force_refresh_sends_a_request() -> None:
    source = Script("one", "two")
    shop = Shop(source)
    assert shop.store.get("jwt-secret") == "one"
    assert shop.store.get("jwt-secret", force_refresh=True) == "two"
    assert source.calls == 2


@pytest.mark.parametrize("outage", [Unreachable("x"), Sealed("x"), ServerFault("x")])
def test_stale_value_is_served_during_an_outage_up_to_the_limit(outage: StrongroomError) -> None:
    shop = Shop(Script("one", outage))
    shop.store.get("jwt-secret")
    shop.clock.now += LIMITS.cache_ttl + 1
    assert shop.store.get("jwt-secret") == "one"
    info = shop.store.get_info("jwt-secret")
    assert info is not None
    assert info.stale
    assert info.age == LIMITS.cache_ttl + 1
    shop.clock.now += LIMITS.stale_limit
    with pytest.raises(type(outage)):
        shop.store.get("jwt-secret")


@pytest.mark.parametrize("answer", [AccessDenied("x"), SecretDeleted("x"), SecretNotFound("x")])
def test_denied_or_deleted_value_is_dropped_at_once(answer: StrongroomError) -> None:
    shop = Shop(Script("one", answer, Unreachable("x")))
    shop.store.get("jwt-secret")
    with pytest.raises(type(answer)):
        shop.store.get("jwt-secret", force_refresh=True)
    assert shop.store.get_info("jwt-secret") is None
    shop.clock.now += LIMITS.negative_ttl
    with pytest.raises(Unreachable):
        shop.store.get("jwt-secret")


def test_default_is_returned_only_for_a_name_without_a_value() -> None:
    assert Shop(Script(SecretNotFound("x"))).store.get("smtp-password", default="") == ""
    assert Shop(Script(SecretNotFound("x"))).store.get("smtp-password", default=None) is None
    for error in (AccessDenied("x"), Unreachable("x"), Sealed("x")):
        with pytest.raises(type(error)):
            Shop(Script(error)).store.get("smtp-password", default="")


def test_default_for_a_denied_name_is_returned_after_the_fallback_in_development(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vault = Script(AccessDenied("the rule"))
    shop = Shop(vault, Script(SecretNotFound("x"), "from file", name="dotenv"))
    assert [shop.store.get("smtp-password", default="spare") for _ in range(2)] == ["spare"] * 2
    assert vault.calls == 1
    assert shop.outcomes() == ["default"] * 2
    (warning,) = caplog.messages
    assert warning == (
        "smtp-password is denied or not declared, so its default is used; outside dev that is an "
        "error, so declare it for the service: the rule"
    )
    with pytest.raises(AccessDenied, match="the rule"):
        shop.store.get("smtp-password")
    shop.clock.now += LIMITS.negative_ttl
    assert shop.store.get("smtp-password", default="spare") == "from file"


@pytest.mark.parametrize("error", [AuthenticationFailed("x"), Unreachable("x"), Sealed("x")])
def test_default_after_the_fallback_hides_no_other_error(error: StrongroomError) -> None:
    shop = Shop(Script(error), Script(SecretNotFound("x"), name="dotenv"))
    with pytest.raises(type(error)):
        shop.store.get("smtp-password", default="")


def test_default_for_a_denied_name_is_not_returned_outside_development(
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = Script(SecretNotFound("x"), name="rendered")
    with pytest.raises(AccessDenied):
        Shop(Script(AccessDenied("x")), file, development=False).store.get("a", default="")
    assert not caplog.messages


def test_info_names_the_source_of_a_fallback() -> None:
    vault, dotenv = Script(SecretNotFound("x"), "from vault"), Script("from file", name="dotenv")
    shop = Shop(vault, dotenv)
    assert shop.store.get("test") == "from file"
    info = shop.store.get_info("test")
    assert info is not None
    assert info.source == "dotenv"
    shop.clock.now += FALLBACK_TTL
    assert shop.store.get("test") == "from vault"


@pytest.mark.parametrize("name", [None, 1, b"jwt-secret"])
def test_name_that_is_no_string_reaches_no_source(name: Any) -> None:
    source = Script("one")
    store = Shop(source).store
    for version in (None, 1):
        with pytest.raises(InvalidName, match=f"cannot be of type {type(name).__name__}; pass a"):
            store.get(name, version=version)
    assert source.calls == 0


def test_value_is_not_released_if_the_record_cannot_be_written(tmp_path: Path) -> None:
    audit = AuditLog(SCOPE, FileSink(tmp_path / "missing" / "access.jsonl"))
    store = SecretStore([Script("one")], audit, registry=redaction.SecretRegistry())
    with pytest.raises(AuditFailed, match="nothing was released"):
        store.get("jwt-secret")


def test_failed_record_is_only_logged_in_development(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audit = AuditLog(SCOPE, FileSink(tmp_path / "missing" / "a"), best_effort=True)
    store = SecretStore([Script("one")], audit, registry=redaction.SecretRegistry())
    assert store.get("jwt-secret") == "one"
    assert f"cannot write an access record ({tmp_path}/missing/a: No such file" in caplog.text


def test_aggregate_mode_records_the_first_access_and_counts_the_rest() -> None:
    shop = Shop(Script("one"), mode="aggregate")
    for _ in range(5):
        shop.store.get("jwt-secret")
    assert shop.outcomes() == ["miss", "hit"]
    shop.clock.now += 61
    shop.store.get("jwt-secret")
    assert json.loads(shop.lines[-1])["count"] == 4


def test_access_record_contains_the_service_and_not_the_value(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    audit = AuditLog(SCOPE, FileSink(path))
    SecretStore([Script("the value")], audit, registry=redaction.SecretRegistry()).get("jwt-secret")
    record = json.loads(path.read_text())
    expected = {"service": "shop", "environment": "prod", "secret": "jwt-secret", "version": 1}
    assert record.items() >= {**expected, "request_id": "r-1"}.items()
    assert "the value" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_response_of_an_earlier_request_is_not_cached_after_a_denial() -> None:
    """Two requests overlap: the first to be sent is the last to be answered."""
    requested, answer = threading.Event(), threading.Event()

    class Crossing(Script):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            fetched = super().fetch(name, *arguments)
            requested.set()
            assert answer.wait(10)
            return fetched

    shop = Shop(Crossing("one", AccessDenied("denied")), development=False)
    fetch = partial(shop.store.fetcher.fetch_future, current("jwt-secret"), force=False)
    first = threading.Thread(target=fetch)
    first.start()
    assert requested.wait(10)
    with pytest.raises(AccessDenied):
        shop.store.get("jwt-secret", force_refresh=True)
    answer.set()
    first.join()
    shop.clock.now += LIMITS.negative_ttl
    with pytest.raises(AccessDenied):
        shop.store.get("jwt-secret")
