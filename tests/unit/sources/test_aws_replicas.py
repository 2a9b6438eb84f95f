"""Tests of the order in which the regions of a secret are requested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app_integration.aws.request import AwsRequest
from app_integration.errors import AccessDenied, RateLimited, StrongroomError, Unreachable
from app_integration.names import Environment, Scope
from app_integration.sources.aws import AwsSource
from tests.support.clock import Clock

AVOIDED = 60.0  # seconds


class Region:
    """A connection to one region, which answers or fails."""

    def __init__(self, region: str, log: list[str], replicas: Sequence[Region] = ()) -> None:
        self.region = region
        self.replicas = replicas
        self.log = log
        self.error: StrongroomError | None = None
        self.meanwhile: Callable[[], object] = list

    def deadline(self) -> float:
        return 1e9

    def call(self, _request: AwsRequest, _deadline: float) -> dict[str, Any]:
        self.log.append(self.region)
        meanwhile, self.meanwhile = self.meanwhile, list
        meanwhile()
        if self.error is not None:
            raise self.error
        return {"SecretString": self.region, "VersionId": "1"}


class Regions:
    """A source that reads from its own region and from one of replicas, on a fake clock."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.clock = Clock(1000.0)
        self.own = Region("own", self.log, [Region("replica", self.log)])
        self.source = AwsSource(self.own, Scope("shop", Environment.PROD), clock=self.clock)  # type: ignore[arg-type] # the parts of a connection that it uses

    def read(self) -> list[str]:
        """Read a secret, and return the regions that were requested."""
        self.log.clear()
        self.source.fetch("api-key")
        return [*self.log]


@pytest.fixture
def regions() -> Regions:
    regions = Regions()
    regions.own.error = Unreachable("no connection")
    assert regions.read() == ["own", "replica"]
    assert regions.read() == ["replica"]
    return regions


def test_one_thread_tries_a_region_that_was_avoided_and_the_others_do_not(regions: Regions) -> None:
    meanwhile: list[str] = []

    def read_as_another_thread() -> None:
        before = len(regions.log)
        regions.source.fetch("api-key")
        meanwhile.extend(regions.log[before:])

    for _ in range(2):
        regions.clock.now += AVOIDED
        regions.own.meanwhile = read_as_another_thread
        assert regions.read() == ["own", "replica", "replica"]
    assert meanwhile == ["replica", "replica"]


@pytest.mark.parametrize("answer", [None, AccessDenied("no"), RateLimited("429")])
def test_region_that_answers_after_a_minute_is_the_first_again(
    regions: Regions, answer: StrongroomError | None
) -> None:
    regions.clock.now += AVOIDED
    regions.own.error = answer
    if isinstance(answer, AccessDenied):
        with pytest.raises(AccessDenied):
            regions.read()
    else:
        assert regions.read()[0] == "own"
    regions.own.error = None
    assert regions.read() == ["own"]


def test_region_that_throttles_is_not_avoided() -> None:
    regions = Regions()
    regions.own.error = RateLimited("429")
    for _ in range(2):
        assert regions.read() == ["own", "replica"]
