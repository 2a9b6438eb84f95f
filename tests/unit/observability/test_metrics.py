"""Metrics: samples and labels, forks, and a process without prometheus_client."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app_integration.database.credentials import Credentials
from app_integration.database.external_credentials import credentials_from_secret
from app_integration.errors import (
    AccessDenied,
    AuditFailed,
    ConfigurationError,
    Sealed,
    SecretNotFound,
    StrongroomError,
)
from app_integration.names import Environment, Scope
from app_integration.observability import metrics, redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.prometheus import MAX_NAMES, Prometheus
from app_integration.secret import Secret
from app_integration.secret_store.store import SecretStore
from app_integration.settings import Limits
from tests.support.clock import Clock
from tests.unit.observability.test_audit_log import Disk
from tests.unit.secret_store.test_store import Script

ROOT = Path(__file__).parents[3]
SCOPE = Scope("shop", Environment.PROD)
Samples = dict[tuple[str, ...], float]


@pytest.fixture
def recorder() -> Iterator[Prometheus]:
    """Set and yield a new recorder whose clock is at second 1000."""
    recorder = Prometheus("prod", clock=lambda: 1000.0)
    metrics.set_recorder(recorder)
    yield recorder
    metrics.set_recorder(None)


def samples(name: str) -> Samples:
    """Return the samples of metric *name* by their label values, without the environment."""
    page = metrics.get_recorder().render()
    assert page is not None
    found: Samples = {}
    for family in text_string_to_metric_families(page[0].decode()):
        for sample in family.samples:
            if sample.name == f"strongroom_{name}":
                labels = dict(sample.labels)
                assert labels.pop("environment") == "prod"
                found[tuple(labels[each] for each in sorted(labels))] = sample.value
    return found


def store(
    *responses: str | StrongroomError, clock: Clock | None = None, disk: Disk | None = None
) -> SecretStore:
    audit = AuditLog(SCOPE, disk or Disk())
    return SecretStore(
        [Script(*responses)],
        audit,
        scope=SCOPE,
        registry=redaction.SecretRegistry(),
        clock=clock or Clock(),
    )


@pytest.mark.usefixtures("recorder")
def test_accesses_have_labels_for_secret_and_outcome() -> None:
    secrets = store("one", SecretNotFound("x"), AccessDenied("x"))
    for _ in range(3):
        secrets.get("jwt-secret")
    secrets.get("optional", default=None)
    with pytest.raises(AccessDenied):
        secrets.get("forbidden")
    assert samples("secret_access_total") == {
        ("miss", "jwt-secret"): 1,
        ("hit", "jwt-secret"): 2,
        ("default", "optional"): 1,
        ("AccessDenied", "forbidden"): 1,
    }


@pytest.mark.usefixtures("recorder")
def test_access_without_an_audit_record_counts_as_audit_failed() -> None:
    disk = Disk()
    disk.full = True
    with pytest.raises(AuditFailed):
        store("one", disk=disk).get("jwt-secret")
    assert samples("secret_access_total") == {("AuditFailed", "jwt-secret"): 1}


@pytest.mark.usefixtures("recorder")
def test_staleness_is_the_age_and_zero_for_a_fresh_value() -> None:
    clock = Clock()
    secrets = store("one", Sealed("x"), "two", clock=clock)
    secrets.get("jwt-secret")
    assert samples("secret_stale_seconds") == {("jwt-secret",): 0}
    clock.now += Limits().cache_ttl + 20
    secrets.get("jwt-secret")
    assert samples("secret_stale_seconds") == {("jwt-secret",): Limits().cache_ttl + 20}
    secrets.get("jwt-secret", force_refresh=True)
    assert samples("secret_stale_seconds") == {("jwt-secret",): 0}


@pytest.mark.usefixtures("recorder")
def test_newer_version_counts_as_a_rotation() -> None:
    secrets = store("one", "two")  # each fetch returns a new version
    for _ in range(3):
        secrets.get("jwt-secret", force_refresh=True)
    secrets.get("jwt-secret")
    assert samples("rotations_total") == {("secret", "jwt-secret"): 2}


@pytest.mark.usefixtures("recorder")
def test_version_is_that_of_the_current_value_which_was_fetched_last() -> None:
    secrets = store("one", Sealed("x"), "two", "old", "field")  # each fetch is a new version
    secrets.get("jwt-secret")
    assert samples("secret_version") == {("jwt-secret", "shop", "cache"): 1}
    with pytest.raises(Sealed):
        secrets.get("jwt-secret", force_refresh=True)
    assert samples("secret_version") == {("jwt-secret", "shop", "cache"): 1}
    secrets.get("jwt-secret", force_refresh=True)
    secrets.get("jwt-secret", version=1)
    secrets.get("jwt-secret", field="user")
    assert samples("secret_version") == {("jwt-secret", "shop", "cache"): 3}


@pytest.mark.usefixtures("recorder")
def test_fallback_has_no_version() -> None:
    sources = Script(Sealed("x")), Script("other", name="dotenv")
    audit = AuditLog(SCOPE, Disk())
    secrets = SecretStore(sources, audit, scope=SCOPE, registry=redaction.SecretRegistry())
    with closing(secrets):
        assert secrets.get("jwt-secret").reveal() == "other"
    assert samples("secret_version") == {}


def test_version_of_a_name_beyond_the_limit_is_left_out(recorder: Prometheus) -> None:
    for number in range(MAX_NAMES + 1):
        recorder.record_version("shop", f"n{number}", 2)
    assert len(samples("secret_version")) == MAX_NAMES
    assert ("other", "shop", "cache") not in samples("secret_version")


def test_version_in_a_file_is_shown_beside_that_in_the_cache(recorder: Prometheus) -> None:
    recorder.record_version("shop", "jwt", 3)
    recorder.record_version("shop", "jwt", 2, "file")
    expected = {("jwt", "shop", "cache"): 3, ("jwt", "shop", "file"): 2}
    assert samples("secret_version") == expected


def test_default_environment_is_used_until_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "state", metrics._State())
    metrics.set_default_environment("prod")
    metrics.set_default_environment("dev")
    assert metrics.state.environment == "prod"
    metrics.set_environment("staging")
    metrics.set_default_environment("dev")
    assert metrics.state.environment == "staging"


@pytest.mark.usefixtures("recorder")
def test_forked_child_shows_the_version_that_it_has_inherited() -> None:
    secrets = store("one")
    secrets.get("jwt-secret")
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        metrics.set_environment("prod")
        secrets.get("jwt-secret")
        os.write(write, repr(samples("secret_version")).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"{('jwt-secret', 'shop', 'cache'): 1.0}"


def test_lease_sets_expiry_and_ttl(recorder: Prometheus) -> None:
    recorder.record_ttl("shop-prod", 90.0)
    assert samples("lease_expires_timestamp_seconds") == {("shop-prod",): 1090}
    buckets = samples("lease_life_seconds_bucket")
    assert (buckets["shop-prod", "60.0"], buckets["shop-prod", "300.0"]) == (0, 1)


@pytest.mark.usefixtures("recorder")
def test_counted_call_records_its_outcome_and_raises() -> None:
    @metrics.count_outcomes("login")
    def log_in(error: Exception | None = None) -> str:
        if error:
            raise error
        return "token"

    assert log_in() == "token"
    with pytest.raises(Sealed):
        log_in(Sealed("x"))
    with pytest.raises(ZeroDivisionError):
        log_in(ZeroDivisionError())
    assert samples("logins_total") == {("ok",): 1, ("Sealed",): 1}


def test_names_beyond_the_limit_share_one_label(recorder: Prometheus) -> None:
    for number in range(MAX_NAMES + 50):
        recorder.record_access(f"n{number}", "SecretNotFound")
    found = samples("secret_access_total")
    assert len(found) == MAX_NAMES + 1
    assert found["SecretNotFound", "other"] == 50
    assert len(recorder._bound) == MAX_NAMES


def test_recorder_in_a_forked_child_counts_from_zero(recorder: Prometheus) -> None:
    recorder.record_access("jwt-secret", "hit")
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        metrics.set_environment("prod")
        metrics.get_recorder().record_access("jwt-secret", "hit")
        os.write(write, b"%d" % samples("secret_access_total")["hit", "jwt-secret"])
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"1"
    assert samples("secret_access_total") == {("hit", "jwt-secret"): 1}


def test_every_metric_is_documented(recorder: Prometheus) -> None:
    section = (
        (ROOT / "docs/reference/Limits.md")
        .read_text()
        .partition("## Metrics")[2]
        .partition("## ")[0]
    )
    expected = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in recorder.registry.collect()
    }
    assert set(re.findall(r"`(strongroom_\w+)`", section)) == expected


def run(code: str, **variables: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **variables},
    )
    return process.stdout


def test_recorder_without_prometheus_client_is_the_null_recorder() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from app_integration.observability import metrics\n"
        "counter = metrics.get_recorder()\n"
        "counter.record_access('x', 'hit'); counter.record_staleness('x', 0.0)\n"
        "counter.record_operation('login', 'ok'); counter.record_version('shop', 'x', 1)\n"
        "counter.record_ttl('token', 1.0); counter.record_rotation('secret', 'x')\n"
        "print(type(counter).__name__, counter.render())\n"
    )
    assert run(code) == "NullRecorder None\n"


def test_prometheus_client_is_imported_on_first_use() -> None:
    code = (
        "import sys, app_integration.secret_store.store\n"
        "from app_integration.observability import metrics\n"
        "print('prometheus_client' in sys.modules)\n"
        "metrics.get_recorder(); print('prometheus_client' in sys.modules)\n"
    )
    assert run(code) == "False\nTrue\n"


def test_page_of_several_workers_has_their_sum(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from app_integration.observability import metrics\n"
        "for _ in range(2):\n"
        "    if not (child := os.fork()):\n"
        "        metrics.get_recorder().record_access('jwt-secret', 'hit'); os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "print(metrics.get_recorder().render()[0].decode())\n"
    )
    page = run(code, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert 'outcome="hit",secret="jwt-secret"} 2.0' in page


def test_page_of_several_workers_has_the_oldest_version_of_a_live_one(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from prometheus_client.multiprocess import mark_process_dead\n"
        "from app_integration.observability import metrics\n"
        "for version in (3, 1, 2):\n"
        "    if not (child := os.fork()):\n"
        "        metrics.get_recorder().record_version('shop', 'jwt-secret', version)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    if version == 1: mark_process_dead(child)\n"
        "print(metrics.get_recorder().render()[0].decode())\n"
    )
    page = run(code, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert 'secret="jwt-secret",service="shop",source="cache"} 2.0' in page


def test_folder_of_several_workers_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "missing"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    with pytest.raises(ConfigurationError, match=f"DIR is {folder}, .*; create the folder"):
        Prometheus("dev")
    folder.mkdir()
    Prometheus("dev")


def test_fast_counter_under_concurrent_scrapes_counts_each_hit_once() -> None:
    recorder = Prometheus("dev")
    count = recorder.bind_access("jwt-secret", "hit")

    def scrape() -> float | None:
        labels = {"environment": "dev", "secret": "jwt-secret", "outcome": "hit"}
        return recorder.registry.get_sample_value("strongroom_secret_access_total", labels)

    for _ in range(3):
        count()
    assert scrape() == 3
    assert scrape() == 3
    recorder.record_access("jwt-secret", "hit")
    with ThreadPoolExecutor(8) as threads:
        results = list(
            threads.map(lambda turn: scrape() if turn % 5 == 0 else count(), range(1000))
        )
    assert len(results) == 1000
    assert scrape() == 4 + 800


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize("is_async", [False, True])
def test_connections_of_a_provider_are_counted_by_outcome(is_async: bool) -> None:
    provider = credentials_from_secret(
        lambda stale: Secret("postgresql://ada:pass@db/shop"),  # noqa: ARG005 (its parameter)
        "database-url",
    )
    attempts: Iterator[Connection | Exception] = iter(
        [Connection(), psycopg.OperationalError("timeout"), Connection()]
    )

    def open_(_credentials: Credentials) -> Connection:
        attempt = next(attempts)
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    async def aopen(credentials: Credentials) -> Connection:
        return open_(credentials)

    def connect() -> object:
        return asyncio.run(provider.aconnect(aopen)) if is_async else provider.connect(open_)

    connect()
    with pytest.raises(psycopg.OperationalError):
        connect()
    connect()
    found = samples("database_connections_total")
    assert found == {("ok",): 2, ("OperationalError",): 1}


class Connection:
    """A connection that is open."""

    closed = False
