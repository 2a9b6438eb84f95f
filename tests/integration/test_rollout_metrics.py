"""Figures of two colours from a real Prometheus: counters that are born, reset, idle or gone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final

import pytest

from app_integration.names import Environment, Scope
from tests.support.polling import wait_until
from tests.support.servers.local_server import Server, serve
from tests.support.servers.prometheus_server import prometheus_server, query
from vault.prometheus.client import query_prometheus
from vault.rollout.decision import Colours, Finding, State, decide
from vault.rollout.rules import built_in
from vault.rollout.watch import Rollout

# Alone, because a scrape that is late on a busy machine leaves a gap in the series.
pytestmark = [pytest.mark.requires("prometheus"), pytest.mark.alone]

#: Services, each with a page for both colours, and one thing that happens to the new one.
SERVICES: Final = ("born", "reset", "idle", "quiet", "gone", "slow")
HIT: Final = 'strongroom_secret_access_total{secret="a",outcome="hit"}'
DENIED: Final = 'strongroom_secret_access_total{secret="a",outcome="AccessDenied"}'
CONNECTED: Final = 'strongroom_database_connections_total{outcome="ok"}'
REFUSED: Final = 'strongroom_database_connections_total{outcome="OperationalError"}'
LATENCY: Final = "http_server_request_duration_seconds"
Samples = Mapping[str, float]


def durations(count: int, seconds: float) -> dict[str, float]:
    """Return the samples of a histogram after *count* requests that took *seconds* each."""
    buckets = {bound: count * (seconds <= bound) for bound in (0.05, 0.1, 0.2, 0.4)}
    return {
        **{f'{LATENCY}_bucket{{le="{bound}"}}': each for bound, each in buckets.items()},
        f'{LATENCY}_bucket{{le="+Inf"}}': count,
        f"{LATENCY}_count": count,
        f"{LATENCY}_sum": count * seconds,
    }


FIRST: Final[Samples] = {
    HIT: 100,
    CONNECTED: 5,
    "process_start_time_seconds": 1000,
    **durations(100, 0.1),
}
#: Service → what the new colour shows after the switch. The old one shows the same as before.
AFTER: Final[Mapping[str, Samples]] = {
    "born": {**FIRST, HIT: 190, DENIED: 10, REFUSED: 3, **durations(200, 0.1)},
    "reset": {HIT: 70, DENIED: 30, CONNECTED: 1, "process_start_time_seconds": 1001},
    "idle": {**FIRST, HIT: 200, **durations(200, 0.1)},
    "quiet": FIRST,
    "gone": FIRST,
    "slow": {**FIRST, HIT: 200, **durations(100, 0.1), **{
        name: value + added
        for (name, value), added in zip(
            durations(100, 0.1).items(), durations(100, 0.13).values(), strict=True
        )
    }},
}  # fmt: skip


@dataclass
class MetricsPage(Server):
    """A target of Prometheus with samples."""

    samples: dict[str, float] = field(default_factory=lambda: dict(FIRST))
    more_headers: dict[str, str] = field(
        default_factory=lambda: {"Content-Type": "text/plain; version=0.0.4"}
    )

    @property
    def target(self) -> str:
        return self.address.removeprefix("http://")

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        self.content = "".join(f"{name} {value}\n" for name, value in self.samples.items()).encode()
        super().handle(request)


class Site:
    """Pages of all services, and the Prometheus that scrapes them."""

    def __init__(self, pages: Mapping[tuple[str, str], MetricsPage], address: str) -> None:
        self.pages = pages
        self.address = address
        self.begun = time.monotonic()

    def wait_for_scrapes(self, count: int, since: float) -> None:
        """Wait until Prometheus has the figures of *count* pages from after *since* (Unix time)."""
        # A series without a sample from before the watch would count as a whole.
        scraped = f"timestamp(up) > {since} and up == 1"
        wait_until(lambda: len(query(self.address, scraped)) == count, "scrapes of all pages")

    def find(self, service: str, trigger: str, measure: str = "mean") -> Finding:
        """Return the finding of one trigger, since the switch."""
        rules, colours = built_in(), Colours("green", "blue")
        latency = rules.triggers.latency.model_copy(update={"measure": measure})
        triggers = rules.triggers.model_copy(update={"latency": latency})
        rules = rules.model_copy(update={"triggers": triggers})
        rollout = Rollout(Scope(service, Environment.PROD), colours, rules)
        elapsed = time.monotonic() - self.begun
        look = rollout.look(partial(query_prometheus, self.address), elapsed)
        return next(each for each in decide(rules, colours, look) if each.trigger == trigger)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Yield the site after each service was switched."""
    with ExitStack() as stack:
        names = [(service, colour) for service in SERVICES for colour in ("green", "blue")]
        running = {name: stack.enter_context(ExitStack()) for name in names}
        pages = {name: each.enter_context(serve(MetricsPage())) for name, each in running.items()}
        labels = {
            page.target: {"service": service, "environment": "prod", "colour": colour}
            for (service, colour), page in pages.items()
        }
        folder: Path = tmp_path_factory.mktemp("prometheus")
        address = stack.enter_context(prometheus_server(folder, labels))
        site = Site(pages, address)
        # Figures of before for a second more, because a late query looks at a later moment.
        site.wait_for_scrapes(len(pages), since=time.time() + 1)
        for service, samples in AFTER.items():
            pages[service, "green"].samples = dict(samples)
        running["idle", "blue"].close()
        running["gone", "green"].close()
        site.wait_for_scrapes(len(pages) - 2, since=time.time())
        wait_until(lambda: len(query(site.address, "up == 0")) == 2, "the end of two targets")
        yield site


def test_failures_of_series_that_were_born_with_them_count(site: Site) -> None:
    born = 'increase(strongroom_secret_access_total{service="born",outcome="AccessDenied"}[1m]) > 0'
    assert query(site.address, born) == []
    found = site.find("born", "secret_failures")
    assert (found.state, "green 10.0 % of 100," in found.evidence) == (State.FIRED, True)
    found = site.find("born", "database_failures")
    assert (found.state, "green 3, blue 0" in found.evidence) == (State.FIRED, True)


def test_failures_after_a_restart_count_and_so_does_the_restart(site: Site) -> None:
    found = site.find("reset", "secret_failures")
    assert (found.state, "green 30.0 % of 100," in found.evidence) == (State.FIRED, True)
    found = site.find("reset", "crashes")
    assert found.state is State.FIRED
    assert f"({site.pages['reset', 'green'].target})" in found.evidence


def test_latency_of_an_old_colour_that_serves_no_more_is_known(site: Site) -> None:
    found = site.find("idle", "latency")
    assert (found.state, "blue 0.1 s of 100 requests" in found.evidence) == (State.HOLDS, True)
    assert site.find("idle", "crashes").state is State.HOLDS


def test_figures_before_the_switch_do_not_count(site: Site) -> None:
    assert "green 0.0 % of 0," in site.find("quiet", "secret_failures").evidence
    assert site.find("quiet", "secret_failures").state is State.UNKNOWN
    assert site.find("quiet", "latency").state is State.UNKNOWN
    assert site.find("quiet", "database_failures").state is State.HOLDS


def test_target_that_responds_no_more_is_a_crash(site: Site) -> None:
    found = site.find("gone", "crashes")
    assert found.state is State.FIRED
    assert f"({site.pages['gone', 'green'].target})" in found.evidence


@pytest.mark.parametrize(("measure", "change"), [("mean", "+30 %"), ("p50", "+100 %")])
def test_latency_of_the_new_colour_is_compared_with_the_old_one(
    site: Site, measure: str, change: str
) -> None:
    found = site.find("slow", "latency", measure)
    assert found.state is State.FIRED
    assert f"{change}; limit" in found.evidence, found.evidence


def test_service_without_metrics_is_not_known(site: Site) -> None:
    for trigger in ("secret_failures", "database_failures", "crashes", "latency"):
        assert site.find("nobody", trigger).state is State.UNKNOWN
