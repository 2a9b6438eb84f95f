"""What metrics say about the consumers of a secret, and responses that are not Prometheus'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from vault.rotation.consumers.evidence import Evidence, Proof
from vault.rotation.consumers.kv_log import Promotion
from vault.rotation.consumers.kv_metric import evidence_by_metric, observation_time
from vault.rotation.consumers.prometheus_query import (
    MAX_RESPONSE,
    check_prometheus_url,
    read_version_metrics,
)
from vault.rotation.consumers.version_metrics import (
    Sample,
    VersionMetrics,
    build_queries,
    parse_vector,
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


def vector(*results: object, status: str = "success", kind: str = "vector") -> dict[str, Any]:
    return {"status": status, "data": {"resultType": kind, "result": list(results)}}


def test_vector_of_prometheus_is_parsed() -> None:
    document = vector({"metric": {"instance": "a:1"}, "value": [1.5, "3"]})
    assert parse_vector(document) == (Sample({"instance": "a:1"}, 3),)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"status": "error", "data": {}},
        vector(status="error"),
        vector(kind="matrix"),
        {"status": "success", "data": {"resultType": "vector", "result": {}}},
        vector({"metric": {}}),
        vector({"metric": [], "value": [1, "3"]}),
        vector({"metric": {"instance": 1}, "value": [1, "3"]}),
        vector({"metric": {"instance": "a"}, "value": [1, 3]}),
        vector({"metric": {}, "value": [1, "3", 4]}),
        vector({"metric": {}, "value": "3"}),
        *(
            vector({"metric": {"instance": "a"}, "value": [1, text]})
            for text in ("x", "NaN", "+Inf", "-1", "2.5", "1e300", "9" * 400)
        ),
    ],
)
def test_other_response_is_rejected(document: object) -> None:
    with pytest.raises(ConfigurationError, match="not that of Prometheus' query API"):
        parse_vector(document)


def test_response_that_may_be_incomplete_is_rejected() -> None:
    document = {**vector(), "warnings": ["a store does not respond"]}
    with pytest.raises(ConfigurationError, match="has warnings, so that targets may be missing"):
        parse_vector(document)
    assert parse_vector({**vector(), "warnings": []}) == ()


@pytest.mark.parametrize(
    "url",
    ["", "prometheus:9090", "ftp://a", "http://", "http://a:0", "http://a:x", "http://a?b=c"],
)
def test_url_of_another_form_is_rejected(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected http"):
        check_prometheus_url(url)


def test_url_with_credentials_is_rejected_without_showing_them() -> None:
    with pytest.raises(ConfigurationError, match="netrc") as caught:
        check_prometheus_url("https://me:hunter2@prometheus")
    assert "hunter2" not in str(caught.value)


def test_url_with_a_path_is_kept() -> None:
    assert check_prometheus_url("https://host/prometheus/") == "https://host/prometheus"


@contextmanager
def responding(status: int, body: bytes) -> Iterator[str]:
    """Run a server that is not Prometheus, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # the client closes early
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (302, b"", "the response has the status 302"),
        (401, b"secret", "the response has the status 401"),
        (200, b"<html>", "JSONDecodeError"),
        (200, b"\xff", "UnicodeDecodeError"),
        (200, b"[" * 10**6, "RecursionError"),
        (200, b"{}", "the response is not that of Prometheus' query API"),
        (200, b" " * (MAX_RESPONSE + 1), f"the response has more than {MAX_RESPONSE} bytes"),
    ],
    ids=["redirect", "denied", "html", "binary", "nested", "other", "large"],
)
def test_server_that_is_not_prometheus_is_an_error(status: int, body: bytes, reason: str) -> None:
    with responding(status, body) as url, pytest.raises(ConfigurationError) as caught:
        read_version_metrics(url, ["jwt"], timedelta(hours=1))
    assert f"{url} cannot be queried: {reason}; correct --prometheus" in str(caught.value)
