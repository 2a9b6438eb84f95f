"""One suite of secrets over all backends: the same assertions, whichever serves them."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import Final

import pytest

from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    InvalidName,
    SecretNotFound,
    SecretsMissing,
    WrongType,
)
from app_integration.observability import redaction
from app_integration.settings import Limits
from app_integration.sources.outage import OUTAGE_BACKOFF
from tests.support.servers.secret_backends import SecretBackend, ServerBackend

NAME: Final = "jwt-secret"
THREADS: Final = 16
#: Seconds; more than between the clock of a server in memory and that of this machine.
EVER: Final = 1e11
HARD: Final = "ä € 𝄞 'single' \\ {braces} %s =#"
LIMITS: Final = Limits()


def test_secret_is_returned_as_written(backend: SecretBackend) -> None:
    backend.put(NAME, HARD)
    value = backend.client.secrets.get(NAME)
    assert value == HARD
    assert f"{value} {value!r}" == "[REDACTED] [REDACTED]"


def test_secret_is_requested_again_once_its_ttl_is_over(backend: SecretBackend) -> None:
    secrets = backend.client.secrets
    backend.put(NAME, "one")
    assert secrets.get(NAME) == "one"
    backend.put(NAME, "two")
    assert secrets.get(NAME) == "one"
    backend.advance(LIMITS.cache_ttl)
    assert secrets.get(NAME) == "two"
    backend.put(NAME, "three")
    assert secrets.get(NAME, force_refresh=True) == "three"


def test_absent_secret_is_not_found_and_has_a_default(backend: SecretBackend) -> None:
    secrets = backend.client.secrets
    with pytest.raises(SecretNotFound):
        secrets.get("absent")
    assert secrets.get("absent", default=None) is None
    backend.put("absent", "there")
    assert secrets.get("absent", force_refresh=True) == "there"


def test_deleted_secret_is_dropped_from_the_cache(backend: SecretBackend) -> None:
    secrets = backend.client.secrets
    backend.put(NAME, "one")
    secrets.get(NAME)
    backend.delete(NAME)
    with pytest.raises(SecretNotFound):
        secrets.get(NAME, force_refresh=True)
    with pytest.raises(SecretNotFound):
        secrets.get(NAME)


def test_invalid_name_is_rejected_before_any_request(server: ServerBackend) -> None:
    for name in ("../other", "Upper", "a b", ""):
        with pytest.raises(InvalidName):
            server.client.secrets.get(name)
    assert server.count_reads() == 0


def test_value_is_converted_or_the_error_holds_none_of_it(backend: SecretBackend) -> None:
    backend.put(NAME, "5432")
    assert backend.client.secrets.get(NAME, as_type=int) == 5432
    backend.put(NAME, "hunter2-no-number")
    with pytest.raises(WrongType) as caught:
        backend.client.secrets.get(NAME, as_type=int, force_refresh=True)
    assert "hunter2" not in str(caught.value)


def test_value_is_redacted_in_logs(
    backend: SecretBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.put(NAME, "hunter2-and-more")
    value = backend.client.secrets.get(NAME)
    redaction.install()
    try:
        logging.getLogger(__name__).warning("sent %s", value + "")
    finally:
        redaction.uninstall()
    assert "hunter2" not in caplog.text


def test_access_is_recorded_with_source_and_outcome(backend: SecretBackend) -> None:
    backend.put(NAME, "hunter2-and-more")
    for _ in range(2):
        backend.client.secrets.get(NAME)
    with pytest.raises(SecretNotFound):
        backend.client.secrets.get("absent")
    shown = [(each["secret"], each["outcome"]) for each in backend.records()]
    assert shown == [(NAME, "miss"), (NAME, "hit"), ("absent", "not-found")]
    assert backend.records()[0]["source"] == backend.source
    assert "hunter2" not in backend.audit_file.read_text("utf-8")


def test_info_names_the_source(backend: SecretBackend) -> None:
    assert backend.client.secrets.get_info(NAME) is None
    backend.put(NAME, "one")
    backend.client.secrets.get(NAME)
    info = backend.client.secrets.get_info(NAME)
    assert info is not None
    assert (info.source, info.stale) == (backend.source, False)


def test_threads_with_the_same_miss_send_one_request(server: ServerBackend) -> None:
    server.put(NAME, "one")
    gate, got = threading.Barrier(THREADS), list[str]()

    def ask() -> None:
        gate.wait()
        got.append(server.client.secrets.get(NAME))

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["one"] * THREADS
    assert server.count_reads() == 1


def test_tasks_get_the_same_and_send_one_request(server: ServerBackend) -> None:
    server.put(NAME, "one")

    async def ask() -> list[str]:
        secrets = server.client.async_secrets
        return [*await asyncio.gather(*(secrets.get(NAME) for _ in range(THREADS)))]

    assert asyncio.run(ask()) == ["one"] * THREADS
    assert server.count_reads() == 1


def test_outage_serves_the_cached_value_stale_up_to_the_limit(server: ServerBackend) -> None:
    secrets = server.client.secrets
    server.put(NAME, "one")
    secrets.get(NAME)
    server.advance(LIMITS.cache_ttl)
    with server.unavailable():
        assert secrets.get(NAME) == "one"
        info = secrets.get_info(NAME)
        assert info is not None
        assert info.stale
        with pytest.raises(OUTAGE):
            secrets.get("another")
        server.advance(LIMITS.stale_limit)
        with pytest.raises(OUTAGE):
            secrets.get(NAME)
    server.advance(OUTAGE_BACKOFF)
    assert secrets.get(NAME) == "one"


def test_forced_read_in_an_outage_is_an_error_and_no_record_claims_a_read(
    server: ServerBackend,
) -> None:
    secrets = server.client.secrets
    server.put(NAME, "one")
    secrets.get(NAME)
    server.advance(LIMITS.cache_ttl - 1.0)
    with server.unavailable():
        for options in ({}, {"as_type": int}, {"default": "x"}):
            with pytest.raises(OUTAGE):
                secrets.get(NAME, force_refresh=True, **options)
        with pytest.raises(OUTAGE):
            asyncio.run(server.client.async_secrets.get(NAME, force_refresh=True))
        server.advance(1.0)
        assert secrets.get(NAME) == "one"
    server.put(NAME, "two")
    assert secrets.get(NAME, force_refresh=True) == "two"
    first, *during, last = server.records()
    assert [first["outcome"], last["outcome"]] == ["miss", "miss"]
    assert first["request_id"] != last["request_id"]
    assert [each.get("request_id") for each in during] == [None] * 5
    assert during[-1]["outcome"] == "stale"
    assert not {"hit", "miss"} & {each["outcome"] for each in during}


def test_denied_secret_is_dropped_and_has_no_default(server: ServerBackend) -> None:
    secrets = server.client.secrets
    server.put(NAME, "one")
    secrets.get(NAME)
    with server.denied():
        with pytest.raises(AccessDenied):
            secrets.get(NAME, force_refresh=True, default="unused")
        with pytest.raises(AccessDenied):
            secrets.get(NAME)
    assert secrets.get(NAME, force_refresh=True) == "one"


def test_current_and_previous_value_are_returned(server: ServerBackend) -> None:
    secrets = server.client.secrets
    server.put(NAME, "one")
    assert secrets.current_and_previous(NAME) == ("one", None)
    for new, old in (("two", "one"), ("three", "two")):
        server.put(NAME, new)
        secrets.get(NAME, force_refresh=True)
        assert secrets.current_and_previous(NAME) == (new, old)
        assert secrets.verification_keys(NAME) == (new, old)
        assert secrets.current_and_previous(NAME, grace=EVER) == (new, old)
        assert secrets.current_and_previous(NAME, grace=-EVER) == (new, None)


def test_field_of_a_secret_is_returned(server: ServerBackend) -> None:
    server.put(NAME, "unused", user="gaara", port="5432")
    assert server.client.secrets.get(NAME, field="user") == "gaara"
    with pytest.raises(SecretNotFound, match="field 'host'"):
        server.client.secrets.get(NAME, field="host")


def test_required_secrets_are_cached(server: ServerBackend) -> None:
    names = [f"secret-{number}" for number in range(3)]
    for name in names:
        server.put(name, f"value of {name}")
    server.client.secrets.require(names)
    sent = server.count_reads()
    assert [server.client.secrets.get(name) for name in names] == [f"value of {n}" for n in names]
    assert server.count_reads() == sent


def test_missing_required_secrets_are_all_listed(server: ServerBackend) -> None:
    server.put(NAME, "one")
    server.put("doomed", "one")
    server.delete("doomed")
    with pytest.raises(SecretsMissing) as caught:
        server.client.secrets.require([NAME, "absent", "doomed"])
    assert (caught.value.missing, caught.value.denied) == (("absent", "doomed"), ())


def test_denied_required_secrets_are_listed_with_the_permission(server: ServerBackend) -> None:
    server.put(NAME, "one")
    with server.denied(), pytest.raises(SecretsMissing) as caught:
        server.client.secrets.require([NAME, "absent"])
    assert caught.value.denied == (NAME, "absent")
    assert f"{server.client.settings.scope.secret(NAME)}" in str(caught.value)


def test_change_is_reported_to_a_callback(server: ServerBackend) -> None:
    secrets, told, seen = server.client.secrets, list[str](), threading.Event()

    def notify(value: str) -> None:
        told.append(value)
        seen.set()

    server.put(NAME, "one")
    secrets.get(NAME)
    secrets.on_change(NAME, notify)
    server.put(NAME, "two")
    secrets.get(NAME, force_refresh=True)
    assert seen.wait(10.0)
    assert told == ["two"]


def test_forked_child_reads_the_cache_and_requests_for_itself(server: ServerBackend) -> None:
    secrets = server.client.secrets
    server.put(NAME, "one")
    server.put("another", "two")
    secrets.get(NAME)
    if (child := os.fork()) == 0:
        is_right = False
        try:
            is_right = (secrets.get(NAME), secrets.get("another")) == ("one", "two")
        finally:
            os._exit(0 if is_right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert secrets.get("another") == "two"
