"""A trace of one request of the example store, from its span to the server's audit log."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from app_integration.testing.ports import free_ports
from local.runtimes.container_runtime import ContainerRuntime
from tests.support.processes.running_store import Person, RunningStore
from tests.support.servers.deployment import Deployment

PAGE = Path(__file__).parents[2] / "docs/howto/Tracing.md"

pytestmark = pytest.mark.requires("embedded")

KANKURO = Person(
    username="kankuro",
    password="puppets-and-more-puppets",
    email="kankuro@suna.example",
    phone="+81 3 1234 9876",
    address="2 Dune Road",
)


def read_spans(text: str) -> list[dict[str, Any]]:
    """Return the spans that the console exporter printed among lines of the log."""
    decoder, spans, at = json.JSONDecoder(), [], text.find("\n{\n")
    while at >= 0:
        span, end = decoder.raw_decode(text, at + 1)
        spans.append(span)
        at = text.find("\n{\n", end)
    return spans


def documented_variables() -> dict[str, str]:
    """Return the variables of OpenTelemetry that the how-to sets."""
    return dict(re.findall(r"\b(OTEL_\w+)=(\w+)", PAGE.read_text(encoding="utf-8")))


def test_trace_of_a_registration_leads_to_the_audit_lines_of_its_requests(
    deployment: Deployment, tmp_path: Path
) -> None:
    if isinstance(deployment.local.servers, ContainerRuntime):
        pytest.skip("the image of the store has no OpenTelemetry")
    log, port = tmp_path / "store.log", free_ports(1)[0]
    log.write_text("\n")
    variables = {
        **deployment.variables,
        **documented_variables(),
        "OTEL_SERVICE_NAME": "gaara-store",
    }
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    store = RunningStore(variables, port, log, program=(instrument, sys.executable))
    store.start()
    try:
        store.register(KANKURO)
    finally:
        assert store.stop() == 0, store.log
    spans = read_spans(store.log)
    (request,) = (each for each in spans if each["name"] == "POST /register")
    trace = request["context"]["trace_id"].removeprefix("0x")
    own = [each for each in spans if each["context"]["trace_id"].endswith(trace)]
    requests = [each for each in own if each["name"] == "strongroom.transit"]
    assert requests
    assert {each["parent_id"] for each in requests} == {request["context"]["span_id"]}
    (path,) = {each["attributes"]["strongroom.path"] for each in requests}
    lines = [json.loads(line)["request"] for line in deployment.audit_lines(path)]
    headers = [line["headers"] for line in lines if trace in str(line.get("headers"))]
    assert headers == [{"x-correlation-id": [trace]}] * len(requests)
    for value in (*KANKURO.private.values(), KANKURO.password):
        assert value not in store.log
