"""Spans of what the SDK does, and the header that leads to the server's audit log."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app_integration import aget_secret, get_secret
from app_integration._internal.tracing import correlation_headers, span
from app_integration.auth.methods import AuditedAuthMethod
from app_integration.database.leased_credentials import LeasedCredentials
from app_integration.errors import AuthenticationFailed, SecretNotFound
from app_integration.testing import Fault, MemoryApplication
from app_integration.transport.http import Transport
from tests.support.processes.loaded_modules import loaded_by

VALUE = "correct horse battery staple"


class Traces:
    """Spans of a test, without those of other tests in the process."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("application")
        self.get_tracer = provider.get_tracer

    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def found(self) -> list[tuple[str, dict[str, Any]]]:
        return [(each.name, dict(each.attributes or {})) for each in self.spans()]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    """Yield the spans of an application whose tracer provider is set."""
    traces = Traces()
    monkeypatch.setattr(trace, "get_tracer", traces.get_tracer)
    yield traces
    shown = "".join(each.to_json() for each in traces.spans())
    assert VALUE not in shown


def test_read_of_a_secret_is_a_span_below_the_application_s(
    vault: MemoryApplication, traces: Traces
) -> None:
    vault.put("api-key", VALUE)
    with traces.tracer.start_as_current_span("request") as request:
        assert get_secret("api-key").reveal() == VALUE
        assert get_secret("api-key").reveal() == VALUE  # of the cache: no span
    login, read, own = traces.spans()
    assert (login.name, login.attributes) == ("strongroom.log_in", {"strongroom.method": "AppRole"})
    assert read.name == "strongroom.read_secret"
    assert read.kind is trace.SpanKind.CLIENT
    seen = vault.server.seen[-1]
    assert read.attributes == {
        "strongroom.secret": "api-key",
        "strongroom.source": "vault",
        "strongroom.version": 1,
        "strongroom.request_id": seen.request_id,
    }
    for each in (login, read):
        assert each.context.trace_id == request.get_span_context().trace_id
    assert read.parent is not None
    assert read.parent.span_id == own.context.span_id


def test_coroutine_s_read_is_below_its_own_span(vault: MemoryApplication, traces: Traces) -> None:
    vault.put("api-key", VALUE)

    async def read() -> int:
        with traces.tracer.start_as_current_span("request") as request:
            await aget_secret("api-key")
            return request.get_span_context().span_id

    parent = asyncio.run(read())
    (found,) = (each for each in traces.spans() if each.name == "strongroom.read_secret")
    assert found.parent is not None
    assert found.parent.span_id == parent


@pytest.mark.usefixtures("vault")
def test_failure_is_recorded_by_its_class_alone(traces: Traces) -> None:
    with pytest.raises(SecretNotFound):
        get_secret("absent")
    (read,) = (each for each in traces.spans() if each.name == "strongroom.read_secret")
    assert read.status.status_code is trace.StatusCode.ERROR
    assert read.status.description is None
    assert not read.events
    assert (read.attributes or {})["error.type"] == "SecretNotFound"


def test_login_that_fails_is_recorded(vault: MemoryApplication, traces: Traces) -> None:
    with vault.fault(Fault.DENIED, "auth/"), pytest.raises(AuthenticationFailed):
        get_secret("api-key")
    login, read = traces.found()
    assert login[1] == {"strongroom.method": "AppRole", "error.type": "AuthenticationFailed"}
    assert read[1] == {"strongroom.secret": "api-key", "error.type": "AuthenticationFailed"}


def test_login_with_an_audit_device_has_the_name_of_its_method(
    vault: MemoryApplication, traces: Traces
) -> None:
    tokens = vault.client.session._tokens
    tokens.auth_method = AuditedAuthMethod(tokens.auth_method, "audit-1")
    vault.put("api-key", VALUE)
    get_secret("api-key")
    assert traces.found()[0] == ("strongroom.log_in", {"strongroom.method": "AppRole"})


def test_each_request_of_a_lease_is_a_span(vault: MemoryApplication, traces: Traces) -> None:
    vault.database_role(ttl=100)
    session, role = vault.client.session, vault.scope.database_role()
    leases = LeasedCredentials(session, role, clock=vault.server.clock, background=False)
    user = leases.current().username
    vault.advance(70)
    leases.maintain()
    leases.close()
    common = {"strongroom.role": role, "strongroom.user": user}
    assert [each for each in traces.found() if each[0] != "strongroom.log_in"] == [
        ("strongroom.lease_user", common),
        ("strongroom.renew_lease", common),
        ("strongroom.revoke_lease", common),
    ]


def test_batches_of_encryption_are_spans_with_their_sizes(
    vault: MemoryApplication, traces: Traces
) -> None:
    cipher = vault.client.cipher("pii")
    tokens: list[Any] = cipher.encrypt_many([(VALUE, {"id": at}) for at in range(3)])
    cipher.decrypt_many([(token, {"id": at}) for at, token in enumerate(tokens)])
    field = cipher.field("users.name", ["id"])
    encrypted = field.encrypt_many([VALUE] * 4, range(4))
    field.decrypt_many(encrypted, range(4))
    path = "transit/encrypt/app-staging-pii"
    assert [each for each in traces.found() if each[0] != "strongroom.log_in"] == [
        ("strongroom.transit", {"strongroom.path": path, "strongroom.items": 1}),
        ("strongroom.encrypt_fields", {"strongroom.values": 3}),
        ("strongroom.decrypt_fields", {"strongroom.values": 3}),
        ("strongroom.encrypt_fields", {"strongroom.field": "users.name", "strongroom.values": 4}),
        ("strongroom.decrypt_fields", {"strongroom.field": "users.name", "strongroom.values": 4}),
    ]


class NotingServer(HTTPServer):
    """A server that notes the headers of requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Message] = []


class Handler(BaseHTTPRequestHandler):
    server: NotingServer

    def do_GET(self) -> None:
        self.server.seen.append(self.headers)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[NotingServer]:
    with NotingServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send(server: NotingServer) -> str | None:
    """Send a request, and return the id that it had in its header."""
    address = f"http://127.0.0.1:{server.server_port}"
    with closing(Transport(address, cacert=None, connect_timeout=5)) as transport:
        transport.send("GET", "sys/health", timeout=5)
    return server.seen[-1]["X-Correlation-ID"]


def test_request_has_the_id_of_its_trace_and_none_without_one(
    server: NotingServer, traces: Traces
) -> None:
    assert send(server) is None
    with traces.tracer.start_as_current_span("request") as request:
        assert send(server) == f"{request.get_span_context().trace_id:032x}"
    with trace.NoOpTracer().start_as_current_span("request"):  # as without an SDK
        assert send(server) is None


def test_nothing_is_recorded_until_the_application_has_loaded_the_api(
    monkeypatch: pytest.MonkeyPatch, traces: Traces
) -> None:
    with traces.tracer.start_as_current_span("request"):
        # As while another thread imports it, and before.
        half = ModuleType("opentelemetry.trace")
        half.get_current_span = trace.get_current_span  # type: ignore[attr-defined]
        for loaded in (half, None):
            monkeypatch.setitem(sys.modules, "opentelemetry.trace", loaded)
            assert correlation_headers() == {}
            with span("read_secret", secret="api-key") as seen:
                seen["source"] = "vault"
    assert [name for name, _ in traces.found()] == ["request"]


def test_sdk_does_not_load_the_api() -> None:
    modules = ("app_integration", "app_integration.client", "app_integration.session.session")
    assert "opentelemetry" not in loaded_by(*modules)
