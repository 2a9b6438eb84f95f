"""What metrics say about the consumers of a secret."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from vault.prometheus import client
from vault.rotation.consumers.evidence_type import Evidence, Proof
from vault.rotation.consumers.kv_metric_evidence import evidence_by_metric, observation_time
from vault.rotation.consumers.promotion import Promotion
from vault.rotation.consumers.version_metrics import (
    Sample,
    VersionMetrics,
    build_queries,
    read_version_metrics,
    read_versions,
)

TIME: Final = datetime(2026, 5, 1, tzinfo=UTC)
PROMOTION: Final = Promotion(TIME, {}, TIME, 5, 3600)
BOUND: Final = TIME + timedelta(seconds=300 + 3600 + 5 + 3600)
SCOPE: Final = Scope("shop", Environment.PROD)


def sample(instance: str, version: int, secret: str = "jwt", **labels: str) -> Sample:
    own = {"environment": "prod", "service": "shop", "secret": secret}
    return Sample({"job": "shops", "instance": instance, **own, **labels}, version)


def judge(*current: Sample, delivered: bool = False, **others: tuple[Sample, ...]) -> Evidence:
    metrics = VersionMetrics(current, **others)
    found = evidence_by_metric(PROMOTION, metrics, {"jwt": 3, "url": 7}, is_delivered=delivered)
    assert found is not None
    return found


def test_targets_with_the_new_versions_have_moved_and_the_grace_period_follows() -> None:
    found = judge(sample("a:1", 3), sample("b:1", 4), sample("b:1", 7, "url"))
    assert [str(each) for each in found.moved] == [
        "a:1: has version 3 of jwt",
        "b:1: has version 4 of jwt",
        "b:1: has version 7 of url",
    ]
    assert (found.proof, found.waiting) == (Proof.METRIC, ())
    assert (found.not_before, found.grace) == (None, timedelta(hours=1))


def test_target_with_an_older_version_of_one_secret_waits_without_an_end() -> None:
    found = judge(sample("a:1", 3), sample("a:1", 6, "url", pod="shop-1"))
    assert [str(each) for each in found.waiting] == ["pod shop-1 (a:1): has version 6 of url"]
    assert not found.is_complete(TIME + timedelta(days=9))


def test_target_that_vanished_with_the_old_version_is_named_and_the_time_bound_applies() -> None:
    moved, old, new = sample("a:1", 3), sample("b:1", 2), sample("c:1", 3)
    found = judge(moved, earlier=(moved, old, new))
    assert [note for note in found.notes if "had version" in note] == [
        "b:1 had version 2 of jwt, and has no sample now: it has ended, or is not scraped"
    ]
    assert (found.not_before, found.waiting) == (BOUND, ())


def test_target_that_is_down_is_named_and_the_time_bound_applies() -> None:
    found = judge(sample("a:1", 3), down=(Sample({"job": "shops", "instance": "b:1"}, 0),))
    assert "b:1 is down, so that its version is unknown" in found.notes
    assert found.not_before == BOUND


def test_delivered_file_has_no_version_so_that_the_time_bound_applies() -> None:
    found = judge(sample("a:1", 3), delivered=True)
    assert found.not_before == BOUND
    assert any("delivers a file" in note for note in found.notes)


def file(instance: str, version: int, secret: str = "jwt", **labels: str) -> Sample:
    return sample(instance, version, secret, source="file", **labels)


def test_files_of_all_targets_with_the_new_version_need_no_time_bound() -> None:
    found = judge(file("a:1", 3), sample("a:1", 3, source="cache"), file("b:1", 4), delivered=True)
    assert [str(each) for each in found.moved] == [
        "a:1: has version 3 of jwt",
        "a:1: has version 3 of jwt in its file",
        "b:1: has version 4 of jwt in its file",
    ]
    assert (found.not_before, found.waiting, len(found.notes)) == (None, (), 1)


def test_target_with_an_older_version_in_its_file_waits_without_an_end() -> None:
    found = judge(sample("a:1", 3), file("a:1", 2), file("b:1", 3), delivered=True)
    assert [str(each) for each in found.waiting] == ["a:1: has version 2 of jwt in its file"]
    assert not found.is_complete(TIME + timedelta(days=9))


@pytest.mark.parametrize("other", [(sample("b:1", 3),), (file("b:1", 0),), ()])
def test_target_without_the_version_of_its_file_is_named_and_the_time_bound_applies(
    other: tuple[Sample, ...],
) -> None:
    found = judge(file("a:1", 3), *other, earlier=(sample("b:1", 3),), delivered=True)
    assert "b:1 does not show the version of jwt in its file" in found.notes
    assert (found.not_before, found.waiting) == (BOUND, ())


def test_secret_that_is_in_no_file_of_targets_with_versions_needs_no_time_bound() -> None:
    found = judge(file("a:1", 3), sample("a:1", 7, "url"), delivered=True)
    assert (found.not_before, len(found.moved)) == (None, 2)


def test_target_that_is_gone_counts_by_the_last_version_of_its_file() -> None:
    moved = judge(file("a:1", 3), earlier=(file("a:1", 3), file("b:1", 3)), delivered=True)
    assert moved.not_before is None
    behind = judge(file("a:1", 3), sample("b:1", 3), earlier=(file("b:1", 2),))
    assert behind.not_before == BOUND
    assert behind.notes[1] == (
        "b:1 had version 2 of jwt in its file, and has no sample now: it has ended, or is not "
        "scraped"
    )


def test_metrics_of_no_target_are_no_evidence() -> None:
    metrics = VersionMetrics((sample("a:1", 3, "other"),), (), (sample("b:1", 0),))
    assert evidence_by_metric(PROMOTION, metrics, {"jwt": 3}, is_delivered=False) is None


def test_samples_of_other_services_and_environments_are_left_out() -> None:
    ours = sample("a:1", 3)
    renamed = sample("b:1", 3, service="svc", exported_service="shop", environment="prod")
    others = (
        sample("c:1", 3, service="bank"),
        sample("d:1", 3, environment="dev"),
        sample("e:1", 3, exported_service="bank"),
        Sample({"secret": "jwt"}, 3),
    )
    found = VersionMetrics((ours, renamed, *others), (ours, *others)).of(SCOPE)
    assert (found.current, found.earlier) == ((ours, renamed), (ours,))
    assert dict(renamed.target)["service"] == "svc"


def test_queries_name_the_secrets_and_reach_back_to_the_window_before_the_promotion() -> None:
    promotion = replace(PROMOTION, time=TIME - timedelta(seconds=95))
    queries = build_queries(["jwt", "a/b"], observation_time(promotion, TIME))
    assert queries == {
        "current": 'strongroom_secret_version{secret=~"a/b|jwt"}',
        "earlier": 'last_over_time(strongroom_secret_version{secret=~"a/b|jwt"}[4000s])',
        "down": "up == 0 and on (job) "
        'last_over_time(strongroom_secret_version{secret=~"a/b|jwt"}[4000s])',
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 2.5, 2.0**31])
def test_value_that_is_no_version_is_rejected(value: float) -> None:
    with pytest.raises(ConfigurationError, match="a version that is no whole number"):
        read_versions([client.Sample({"instance": "a"}, value)])


def test_versions_of_a_server_that_does_not_respond_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"ConnectionError; check .*; correct --prom"):
        read_version_metrics("http://127.0.0.1:1", ["jwt"], timedelta(hours=1))
