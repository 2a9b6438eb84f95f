"""Requests that the cost estimate counts, beside those that moto gets in simulated time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from app_integration._internal.limit_variables import BRANCH_KEY_AGE
from app_integration.client import Client
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.observability.audit_log import AuditLog
from app_integration.secret_store.store import SecretStore
from app_integration.settings import Limits
from app_integration.sources.aws import AwsSource
from aws.cost.estimate import count_branch_unwraps, count_reads, count_unwraps, count_wraps
from tests.support.servers.key_sites import KmsSite
from tests.support.servers.moto_server import MotoServer, set_identity
from tests.support.servers.scripted_server import Clock
from tests.support.servers.secret_backends import AwsBackend, AwsSite, aws

HOUR = 3600.0
NEXT_KEY = 0.9 * 24 * HOUR  # seconds after which the next data key is generated


@pytest.fixture
def backend(
    aws_site: AwsSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBackend]:
    set_identity(monkeypatch)
    with aws(aws_site, tmp_path) as opened:
        yield opened


@pytest.fixture
def site(moto: MotoServer, aws_site: AwsSite, tmp_path: Path) -> KmsSite:
    return KmsSite(moto.client("kms"), aws_site, tmp_path)


@pytest.mark.parametrize(("interval", "hours"), [(5.0, 1.0), (1.0, 0.25), (600.0, 4.0)])
def test_reads_of_a_secret_are_as_many_requests_as_the_estimate_counts(
    backend: AwsBackend, aws_site: AwsSite, interval: float, hours: float
) -> None:
    backend.put("token", "one")
    clock = Clock()
    store = SecretStore(
        [AwsSource(aws_site.connection, backend.scope)],
        AuditLog(backend.scope, lambda _line: None),
        clock=clock,
        jitter=lambda: 0.5,  # the mean, which the estimate takes
    )
    seconds, uses = hours * HOUR, 0
    end = clock() + seconds
    while clock() < end:
        store.get("token")
        uses += 1
        sleep_and_refresh(clock, interval, store.fetcher.refresher.refresh_due)
    assert backend.count_reads() == count_reads(uses, seconds, Limits())


def sleep_and_refresh(clock: Clock, seconds: float, refresh: Callable[[], object]) -> None:
    """Advance the clock in steps of a second, as the background thread would wake up."""
    for _ in range(int(seconds)):
        clock.sleep(1)
        refresh()


def test_values_are_encrypted_with_as_many_requests_as_the_estimate_counts(site: KmsSite) -> None:
    clock, steps, periods = Clock(), 9, 3
    with closing(open_client(site, clock)) as client:
        cipher, uses = client.cipher("pii"), 0
        for _ in range(steps * periods + 1):
            cipher.encrypt_field("sand")
            join_renewals()  # of the next data key, in the background
            uses += 1
            clock.sleep(NEXT_KEY / steps)
    seconds = periods * NEXT_KEY
    assert site.count_requests("encrypt") == round(count_wraps(uses, seconds, Limits()))


def test_values_are_decrypted_with_as_many_requests_as_the_estimate_counts(site: KmsSite) -> None:
    tokens = []
    for _ in range(5):  # other processes, each with a data key of its own
        with closing(open_client(site, Clock())) as writer:
            tokens.append(writer.cipher("pii").encrypt_field("sand"))
    clock, days, uses = Clock(), 2, 0
    with closing(open_client(site, clock)) as reader:
        for _ in range(days * 24):
            for token in tokens:
                assert reader.cipher("pii").decrypt_field(token) == "sand"
                uses += 1
            clock.sleep(HOUR)
    modelled = count_unwraps(uses, days * 24 * HOUR, len(tokens), Limits())
    assert site.count_requests("decrypt") == modelled


def test_more_data_keys_than_the_cache_holds_are_unwrapped_about_as_often_as_counted(
    site: KmsSite,
) -> None:
    small, chosen = Limits(data_key_cache=4), Random(7)  # noqa: S311 (a choice of the test)
    tokens = []
    for _ in range(8):
        with closing(open_client(site, Clock())) as writer:
            tokens.append(writer.cipher("pii").encrypt_field("sand"))
    with closing(open_client(site, Clock(), small)) as reader:
        for _ in range(200):
            reader.cipher("pii").decrypt_field(chosen.choice(tokens))
    modelled = count_unwraps(200, HOUR, len(tokens), small)
    assert site.count_requests("decrypt") == pytest.approx(modelled, rel=0.2)


def test_branch_keys_need_as_many_requests_as_the_estimate_counts(
    site: KmsSite, tmp_path: Path
) -> None:
    table = FileDataKeys(tmp_path / "data_keys.json")
    limits, writers, days, uses = Limits(branch_key_age=BRANCH_KEY_AGE), 20, 2, 0
    tokens = []
    for _ in range(writers):
        with closing(open_client(site, Clock(), limits, table)) as writer:
            tokens.append(writer.cipher("pii").encrypt_field("sand"))
    assert site.count_requests("encrypt") == 1  # of the branch key
    assert site.count_requests("decrypt") == writers + 1  # and before it was stored
    site.proxy.operations.clear()
    clock = Clock()
    with closing(open_client(site, clock, limits, table)) as reader:
        for _ in range(days * 24):
            for token in tokens:
                assert reader.cipher("pii").decrypt_field(token) == "sand"
                uses += 1
            clock.sleep(HOUR)
    modelled = count_branch_unwraps(uses, days * 24 * HOUR, 0, limits)
    assert site.count_requests("decrypt") == modelled == days


def open_client(
    site: KmsSite, clock: Clock, limits: Limits | None = None, table: FileDataKeys | None = None
) -> Client:
    settings = site._settings(site.scope, limits or Limits())
    client = Client(settings, aws=site.connection, clock=clock)
    client.use_data_keys(table)
    return client


def join_renewals() -> None:
    for thread in threading.enumerate():
        if thread.name == "strongroom-data-key":
            thread.join(10)
