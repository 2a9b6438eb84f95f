"""What is counted, under which labels, and what it costs when nobody counts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app_integration.errors import (
    AccessDenied,
    AuditFailed,
    Sealed,
    SecretNotFound,
    StrongroomError,
)
from app_integration.names import Environment, Scope
from app_integration.observability import metrics, redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.prometheus import MAX_NAMES, Prometheus
from app_integration.secret_store.store import SecretStore
from app_integration.settings import Limits
from tests.unit.observability.test_audit_log import Disk
from tests.unit.secret_store.test_store import Clock, Script

ROOT = Path(__file__).parents[3]
Figures = dict[tuple[str, ...], float]


@pytest.fixture
def recorder() -> Iterator[Prometheus]:
    """A recorder of this test alone, at second 1000."""
    fresh = Prometheus("prod", clock=lambda: 1000.0)
    metrics.set_recorder(fresh)
    yield fresh
    metrics.set_recorder(None)


def figures(name: str) -> Figures:
    """Label values, without the environment → figure, for the sample *name* of the page."""
    page = metrics.current().render()
    assert page is not None
    found: Figures = {}
    for family in text_string_to_metric_families(page[0].decode()):
        for sample in family.samples:
            if sample.name == f"strongroom_{name}":
                labels = dict(sample.labels)
                assert labels.pop("environment") == "prod"
                found[tuple(labels[each] for each in sorted(labels))] = sample.value
    return found


def store(
    *answers: str | StrongroomError, clock: Clock | None = None, disk: Disk | None = None
) -> SecretStore:
    audit = AuditLog(Scope("shop", Environment.PROD), disk or Disk())
    return SecretStore(
        [Script(*answers)], audit, register=redaction.SecretRegistry(), clock=clock or Clock()
    )


@pytest.mark.usefixtures("recorder")
def test_accesses_are_told_apart_by_secret_and_outcome() -> None:
    secrets = store("one", SecretNotFound("x"), AccessDenied("x"))
    for _ in range(3):
        secrets.get("jwt-secret")
    secrets.get("optional", default=None)
    with pytest.raises(AccessDenied):
        secrets.get("forbidden")
    assert figures("secret_access_total") == {
        ("miss", "jwt-secret"): 1,
        ("hit", "jwt-secret"): 2,
        ("default", "optional"): 1,
        ("AccessDenied", "forbidden"): 1,
    }


@pytest.mark.usefixtures("recorder")
def test_what_was_not_released_is_not_counted_as_a_hit() -> None:
    disk = Disk()
    disk.full = True
    with pytest.raises(AuditFailed):
        store("one", disk=disk).get("jwt-secret")
    assert figures("secret_access_total") == {("AuditFailed", "jwt-secret"): 1}


@pytest.mark.usefixtures("recorder")
def test_staleness_shows_its_age_and_ends_with_a_fresh_value() -> None:
    clock = Clock()
    secrets = store("one", Sealed("x"), "two", clock=clock)
    secrets.get("jwt-secret")
    assert figures("secret_stale_seconds") == {("jwt-secret",): 0}
    clock.now += Limits().cache_ttl + 20
    secrets.get("jwt-secret")
    assert figures("secret_stale_seconds") == {("jwt-secret",): Limits().cache_ttl + 20}
    secrets.get("jwt-secret", force_refresh=True)
    assert figures("secret_stale_seconds") == {("jwt-secret",): 0}


@pytest.mark.usefixtures("recorder")
def test_a_newer_version_counts_as_a_rotation() -> None:
    secrets = store("one", "two")  # each fetch gives a version of its own
    for _ in range(3):
        secrets.get("jwt-secret", force_refresh=True)
    secrets.get("jwt-secret")
    assert figures("rotations_total") == {("secret", "jwt-secret"): 2}


def test_a_lease_shows_when_it_ends_and_how_long_it_lives(recorder: Prometheus) -> None:
    recorder.lease("shop-prod", 90.0)
    assert figures("lease_expires_timestamp_seconds") == {("shop-prod",): 1090}
    lives = figures("lease_life_seconds_bucket")
    assert (lives["shop-prod", "60.0"], lives["shop-prod", "300.0"]) == (0, 1)


@pytest.mark.usefixtures("recorder")
def test_a_decorated_call_counts_its_end_and_keeps_its_error() -> None:
    @metrics.counted("login")
    def log_in(error: Exception | None = None) -> str:
        if error:
            raise error
        return "token"

    assert log_in() == "token"
    with pytest.raises(Sealed):
        log_in(Sealed("x"))
    with pytest.raises(ZeroDivisionError):
        log_in(ZeroDivisionError())
    assert figures("logins_total") == {("ok",): 1, ("Sealed",): 1}


def test_names_without_end_do_not_fill_the_memory(recorder: Prometheus) -> None:
    for number in range(MAX_NAMES + 50):
        recorder.access(f"n{number}", "SecretNotFound")
    found = figures("secret_access_total")
    assert len(found) == MAX_NAMES + 1
    assert found["SecretNotFound", "other"] == 50
    assert len(recorder._hot) == MAX_NAMES


def test_a_forked_child_counts_from_zero(recorder: Prometheus) -> None:
    recorder.access("jwt-secret", "hit")
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        metrics.set_environment("prod")
        metrics.current().access("jwt-secret", "hit")
        os.write(write, b"%d" % figures("secret_access_total")["hit", "jwt-secret"])
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"1"
    assert figures("secret_access_total") == {("hit", "jwt-secret"): 1}


def test_every_metric_is_documented(recorder: Prometheus) -> None:
    section = (ROOT / "docs" / "Env.md").read_text().partition("## Metrics")[2].partition("## ")[0]
    known = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in recorder.registry.collect()
    }
    assert set(re.findall(r"`(strongroom_\w+)`", section)) == known


def run(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **variables},
    )
    return done.stdout


def test_without_the_library_nothing_is_counted_and_all_else_works() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from app_integration.observability import metrics\n"
        "counter = metrics.current()\n"
        "counter.access('x', 'hit'); counter.staleness('x', 0.0)\n"
        "counter.record_operation('login', 'ok')\n"
        "counter.lease('token', 1.0); counter.rotation('secret', 'x')\n"
        "print(type(counter).__name__, counter.render())\n"
    )
    assert run(code) == "NullRecorder None\n"


def test_the_library_is_loaded_at_the_first_count_only() -> None:
    code = (
        "import sys, app_integration.secret_store.store\n"
        "from app_integration.observability import metrics\n"
        "print('prometheus_client' in sys.modules)\n"
        "metrics.current(); print('prometheus_client' in sys.modules)\n"
    )
    assert run(code) == "False\nTrue\n"


def test_workers_of_one_server_show_one_page(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from app_integration.observability import metrics\n"
        "for _ in range(2):\n"
        "    if not (child := os.fork()):\n"
        "        metrics.current().access('jwt-secret', 'hit'); os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "print(metrics.current().render()[0].decode())\n"
    )
    page = run(code, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert 'outcome="hit",secret="jwt-secret"} 2.0' in page


def test_hits_are_all_counted_once_whoever_looks_and_when() -> None:
    recorder = Prometheus("dev")
    count = recorder.counter("jwt-secret", "hit")

    def seen() -> float | None:
        labels = {"environment": "dev", "secret": "jwt-secret", "outcome": "hit"}
        return recorder.registry.get_sample_value("strongroom_secret_access_total", labels)

    for _ in range(3):
        count()
    assert seen() == 3
    assert seen() == 3
    recorder.access("jwt-secret", "hit")
    with ThreadPoolExecutor(8) as threads:
        looks = list(threads.map(lambda turn: seen() if turn % 5 == 0 else count(), range(1000)))
    assert len(looks) == 1000
    assert seen() == 4 + 800
