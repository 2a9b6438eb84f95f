"""Lines of CloudWatch's embedded metric format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.observability import metrics
from app_integration.observability.emf import EmfWriter
from app_integration.observability.prometheus import Prometheus
from app_integration.observability.recorder import NullRecorder, Recorder
from app_integration.settings import Settings, from_environment

SCOPE = Scope("shop", Environment.PROD)
HOUR = 3600.0


@pytest.fixture
def recorder() -> Iterator[Prometheus]:
    recorder = Prometheus("prod")
    metrics.set_recorder(recorder)
    yield recorder
    metrics.set_recorder(None)


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def writer(recorder: Prometheus, lines: list[dict[str, Any]]) -> Iterator[EmfWriter]:
    recorder.record_access("before", "hit")

    def write(line: str) -> None:
        assert line.endswith("\n")
        lines.append(json.loads(line))

    with closing(EmfWriter(SCOPE, HOUR, write, lambda: 1000.5)) as opened:
        yield opened


def test_line_has_the_accesses_since_the_last_one(
    writer: EmfWriter, recorder: Prometheus, lines: list[dict[str, Any]]
) -> None:
    count = recorder.bind_access("api-key", "hit")
    for _ in range(5):
        count()
    recorder.record_access("api-key", "miss")
    recorder.record_access("other", "stale")
    recorder.record_access("other", "AccessDenied")
    writer.flush()
    writer.flush()
    count()
    writer.flush()
    units = [{"Name": name, "Unit": "Count"} for name in ("Accesses", "CacheHits")]
    metric = {
        "Namespace": "strongroom",
        "Dimensions": [["Environment", "Service"]],
        "Metrics": units,
    }
    header = {
        "_aws": {"Timestamp": 1_000_500, "CloudWatchMetrics": [metric]},
        "Environment": "prod",
        "Service": "shop",
    }
    assert lines == [
        {**header, "Accesses": 8, "CacheHits": 6},
        {**header, "Accesses": 1, "CacheHits": 1},
    ]


def test_another_recorder_counts_from_zero(
    writer: EmfWriter, recorder: Prometheus, lines: list[dict[str, Any]]
) -> None:
    recorder.record_access("api-key", "miss")
    another = Prometheus("prod")
    metrics.set_recorder(another)
    another.record_access("api-key", "miss")
    writer.flush()
    assert [each["Accesses"] for each in lines] == [1]


def test_close_writes_what_is_left(
    writer: EmfWriter, recorder: Prometheus, lines: list[dict[str, Any]]
) -> None:
    recorder.record_access("api-key", "miss")
    writer.close()
    assert [each["Accesses"] for each in lines] == [1]


class Counting(Recorder):
    """A recorder of an application, which counts no accesses for lines."""


@pytest.mark.parametrize("kind", [NullRecorder, Counting])
def test_recorder_that_counts_nothing_is_an_error_that_says_what_to_do(
    kind: type[Recorder],
) -> None:
    metrics.set_recorder(kind())
    match = rf"{kind.__name__} .*; install strongroom-sdk\[metrics\], or override count_accesses"
    with pytest.raises(ConfigurationError, match=match):
        EmfWriter(SCOPE, HOUR)
    metrics.set_recorder(None)


def test_close_without_a_recorder_that_counts_is_no_error(writer: EmfWriter) -> None:
    metrics.set_recorder(Counting())
    with pytest.raises(ConfigurationError):
        writer.flush()  # which the thread logs
    writer.close()


@pytest.mark.parametrize("kind", ["closed", "broken", "none"])
def test_close_without_a_standard_output_is_no_error(
    kind: str, recorder: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = EmfWriter(SCOPE, HOUR)
    recorder.record_access("api-key", "miss")
    reader, end = os.pipe()
    os.close(reader)
    output = os.fdopen(end, "w")
    if kind == "closed":
        output.close()
    monkeypatch.setattr(sys, "stdout", None if kind == "none" else output)
    writer.close()
    with suppress(BrokenPipeError):
        output.close()


@pytest.mark.parametrize("text", ["0", "1m", "3601"])
def test_wrong_interval_is_refused(text: str) -> None:
    variables = {"STRONGROOM_SERVICE": "shop", "ENVIRONMENT": "dev"}
    with pytest.raises(ConfigurationError, match=r"STRONGROOM_EMF_INTERVAL is .* 1 to 3600"):
        from_environment({**variables, "STRONGROOM_EMF_INTERVAL": text})
    assert from_environment({**variables, "STRONGROOM_EMF_INTERVAL": "60"}).emf_interval == 60


def test_client_writes_to_the_standard_output(
    recorder: Prometheus,  # noqa: ARG001 (it is reset)
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("API_KEY", "a value of some length")
    dev = Scope("shop", Environment.DEV)
    client = Client(Settings(dev, "", backend="memory", emf_interval=HOUR))
    for _ in range(3):
        client.secrets.get("api-key")
    client.close()
    (line,) = (each for each in capsys.readouterr().out.splitlines() if "_aws" in each)
    assert json.loads(line)["Environment"] == "dev"
    assert (json.loads(line)["Accesses"], json.loads(line)["CacheHits"]) == (3, 2)


CHILD = """
import os, sys, threading
from app_integration.names import Environment, Scope
from app_integration.observability import metrics
from app_integration.observability.emf import EmfWriter

written = threading.Event()

def write(line):
    sys.stdout.write(line)
    sys.stdout.flush()
    written.set()

writer = EmfWriter(Scope("shop", Environment.PROD), 0.1, write)
metrics.get_recorder().record_access("api-key", "miss")
assert written.wait(10)
written.clear()
child = os.fork()
if child == 0:
    metrics.get_recorder().record_access("api-key", "hit")
    os._exit(0 if written.wait(10) else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_forked_child_writes_its_own_counts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], check=True, capture_output=True, text=True, timeout=60
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["Accesses"], each["CacheHits"]) for each in found] == [(1, 0), (1, 1)]
