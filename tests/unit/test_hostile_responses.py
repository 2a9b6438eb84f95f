"""Hostile responses to every request of the SDK: it raises only its own errors and recovers."""

from __future__ import annotations

import json
import threading
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings

from app_integration.auth.methods import AppRole, AuditedAuthMethod, AuthMethod, StaticToken
from app_integration.auth.wrapped_approle import WrappedAppRole
from app_integration.client import Client
from app_integration.database.leased_credentials import LeasedCredentials
from app_integration.encryption.transit import Transit
from app_integration.errors import OUTAGE, StrongroomError, UnexpectedAnswer
from app_integration.names import COMPOSED_KEY, Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from app_integration.testing import policies
from app_integration.testing.application import MemoryApplication, approle_files
from app_integration.testing.leases import DatabaseRole
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from app_integration.transport.request import Response
from tests.support.hostile_responses import Tampered, responses

SCOPE: Final = Scope("shop", Environment.STAGING)
#: No error, and no frame of one, shows it.
VALUE: Final = "hunter2-and-a-half"
PLAIN: Final = "jwt-secret"
ADOPTED: Final = "database-url"
KEPT: Final = "kept"
CONTEXT: Final = b"user=1"
LIMITS: Final = Limits(retry_window=0.0, stale_limit=1e9)


@dataclass
class Stage:
    """An application on a server in memory, with a wire that can replace one response."""

    folder: Path
    server: MemoryVault
    wire: Tampered
    login: AppRole
    client: Client
    session: Session
    operator: MemoryApplication

    def another(self, login: AuthMethod) -> Session:
        clock = self.server.clock
        return Session(
            ADDRESS, login, limits=LIMITS, clock=clock, sleep=clock.sleep, connect=lambda: self.wire
        )

    def leases(self) -> LeasedCredentials:
        return LeasedCredentials(
            self.session,
            SCOPE.database_role(),
            limits=LIMITS,
            clock=self.server.clock,
            background=False,
        )


def authorise(held: tuple[str, ...], capability: str, path: str) -> bool:
    """Return whether the service's policy, with an audit device, grants the request."""
    return path.startswith("sys/audit-hash/") or policies.allows(SCOPE, held, capability, path)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    server = MemoryVault(authorise=authorise)
    wire, clock = Tampered(server), server.clock
    role = server.approles.get_or_create_role(str(SCOPE))
    login = approle_files(folder, role.role_id, role.issue())
    root = server.tokens.issue("operator", (policies.ROOT,), ttl=float("inf"))
    operator_session = Session(
        ADDRESS, StaticToken(Secret(root.value)), clock=clock, connect=lambda: server
    )
    session = Session(
        ADDRESS, login, limits=LIMITS, clock=clock, sleep=clock.sleep, connect=lambda: wire
    )
    app_settings = Settings(SCOPE, ADDRESS, audit_file=folder / "access.jsonl", limits=LIMITS)
    client = Client(app_settings, session=session, clock=clock)
    operator = MemoryApplication(SCOPE, operator_session, client, server)
    operator.make_key()
    operator.put(PLAIN, VALUE)
    operator.put(KEPT, VALUE)
    template = {"template": "postgresql://{username}:{password}@db/shop"}
    path = f"secret/data/{SCOPE.secret(ADOPTED)}"
    operator_session.post(path, {"data": template})
    operator_session.post(
        path.replace("/data/", "/metadata/"), {"custom_metadata": {COMPOSED_KEY: "1"}}
    )
    server.leases.add_static_role(SCOPE.static_role(ADOPTED), "shop_app", 3600)
    server.leases.roles[SCOPE.database_role()] = DatabaseRole(3600, 86_400)
    yield Stage(folder, server, wire, login, client, session, operator)
    client.close()
    operator_session.close()


def read(stage: Stage) -> None:
    stage.client.secrets.get(PLAIN, force_refresh=True)


def read_old_version(stage: Stage) -> None:
    stage.client.secrets.get(PLAIN, version=1, force_refresh=True)


def read_both_versions(stage: Stage) -> None:
    stage.client.secrets.fetcher.cache.clear()
    stage.client.secrets.current_and_previous(PLAIN)


def read_watched_name(stage: Stage) -> None:
    watch = stage.client.secrets.on_change(PLAIN, lambda _: None)
    stage.server.clock.advance(LIMITS.cache_ttl)
    assert stage.client.secrets.fetcher.refresher.refresh_due() >= 0
    watch.cancel()


def read_adopted_secret(stage: Stage) -> None:
    stage.client.secrets.get(ADOPTED, force_refresh=True)


def lease_user(stage: Stage) -> None:
    leases = stage.leases()
    try:
        leases.current()
    finally:
        leases.close()


def renew_user(stage: Stage) -> None:
    leases = stage.leases()
    with unmodified_responses(stage):
        lease = leases.current()
        leases._renew_at = lease.issued_at
    assert leases.maintain() > 0
    leases.close()


def log_in(stage: Stage) -> None:
    session = stage.another(stage.login)
    try:
        session.get(f"secret/data/{SCOPE.secret(KEPT)}")
    finally:
        session.close()


def log_in_with_accessor(stage: Stage) -> None:
    session = stage.another(AuditedAuthMethod(stage.login, "file"))
    session.get(f"secret/data/{SCOPE.secret(KEPT)}")
    session.close()


def log_in_unwrapping(stage: Stage) -> None:
    path = f"auth/approle/role/{SCOPE}/secret-id"
    wrapped = stage.operator.operator.post(path, wrap_ttl=60)["wrap_info"]["token"]
    file = stage.folder / "wrapped"
    file.write_text(wrapped)
    session = stage.another(WrappedAppRole(str(SCOPE), stage.login.role_id_file, file))
    try:
        session.get(f"secret/data/{SCOPE.secret(KEPT)}")
    finally:
        session.close()


def renew_token(stage: Stage) -> None:
    with unmodified_responses(stage):
        stage.session.get(f"secret/data/{SCOPE.secret(KEPT)}")
    assert 0 < stage.session._renewer._run() < threading.TIMEOUT_MAX


def revoke_token(stage: Stage) -> None:
    session = stage.another(stage.login)
    session.get(f"secret/data/{SCOPE.secret(KEPT)}")
    session.close()


def encrypt(stage: Stage) -> None:
    made = Transit(stage.session.post, SCOPE.key("pii")).encrypt(b"of the caller", CONTEXT)
    with unmodified_responses(stage):
        assert Transit(stage.session.post, SCOPE.key("pii")).decrypt(made, CONTEXT)


def decrypt(stage: Stage) -> None:
    transit = Transit(stage.session.post, SCOPE.key("pii"))
    with unmodified_responses(stage):
        made = transit.encrypt(VALUE.encode(), CONTEXT)
    transit.decrypt(made, CONTEXT)


def rewrap(stage: Stage) -> None:
    transit = Transit(stage.session.post, SCOPE.key("pii"))
    with unmodified_responses(stage):
        made = transit.encrypt(VALUE.encode(), CONTEXT)
    transit.rewrap(made, CONTEXT)


#: What asks → the path below which its answer is exchanged.
CALLS: Final[dict[Callable[[Stage], None], str]] = {
    read: "secret/data",
    read_old_version: "secret/data",
    read_both_versions: "secret/data",
    read_watched_name: "secret/data",
    read_adopted_secret: "database/static-creds",
    lease_user: "database/creds",
    renew_user: "sys/leases/renew",
    log_in: "auth/approle/login",
    log_in_with_accessor: "sys/audit-hash",
    log_in_unwrapping: "sys/wrapping",
    renew_token: "auth/token/renew-self",
    revoke_token: "auth/token/revoke-self",
    encrypt: "transit/encrypt",
    decrypt: "transit/decrypt",
    rewrap: "transit/rewrap",
}


@contextmanager
def unmodified_responses(stage: Stage) -> Iterator[None]:
    previous, stage.wire.response = stage.wire.response, None
    try:
        yield
    finally:
        stage.wire.response = previous


def get_good_response(stage: Stage, call: Callable[[Stage], None]) -> dict[str, Any]:
    """Return the response of the server in memory to *call*."""
    with unmodified_responses(stage):
        call(stage)
    below = [answer for path, answer in stage.wire.seen.items() if path.startswith(CALLS[call])]
    assert below
    return below[-1]


def format_traceback(error: BaseException) -> str:
    """Return the traceback with the local variables of the SDK's frames, as a reporter shows it."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    found.stack[:] = [each for each in found.stack if "/app_integration/" in each.filename]
    return "".join(found.format())


def catch_error(act: Callable[[], None]) -> StrongroomError | None:
    try:
        act()
    except StrongroomError as error:
        return error
    return None


def check(stage: Stage, call: Callable[[Stage], None], response: Response) -> None:
    stage.wire.path, stage.wire.response = CALLS[call], response
    error = catch_error(partial(call, stage))
    stage.wire.response = None
    if error is not None:
        text = format_traceback(error)
        assert VALUE not in text
        assert b64encode(VALUE.encode()).decode() not in text
    # Whatever the response was, the next call must work.
    stage.session._tokens._not_before = 0.0
    assert stage.client.secrets.get(KEPT, force_refresh=True) == VALUE


@pytest.mark.parametrize("answers", [1_500, pytest.param(10_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_call_with_hostile_response_raises_strongroom_error_and_next_call_works(
    stage: Stage, call: Callable[[Stage], None], answers: int
) -> None:
    good = get_good_response(stage, call)
    before, count = stage.wire.given, answers // len(CALLS) + 1

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(responses(good))
    def each(response: Response) -> None:
        check(stage, call, response)

    each()
    # Some examples exchange nothing, because an expired token leads to a login, not to a renewal.
    assert stage.wire.given - before > 0.9 * count


KV1: Final = b'{"data": {"value": "hunter2-and-a-half"}, "lease_duration": 2764800}'
OF_ANOTHER_SHAPE: Final = {
    "a KV version 1 mount": KV1,
    "nothing": b"{}",
    "no data": b'{"data": null}',
    "no version": b'{"data": {"data": null, "metadata": null}}',
    "deep": b'{"data":' * 3000 + b"{}" + b"}" * 3000,
}


@pytest.mark.parametrize("what", OF_ANOTHER_SHAPE)
def test_cached_value_stays_in_use_after_unexpected_response(stage: Stage, what: str) -> None:
    store = stage.client.secrets
    assert store.get(PLAIN, force_refresh=True) == VALUE
    stage.server.clock.advance(LIMITS.cache_ttl + 1)
    stage.wire.path = CALLS[read]
    stage.wire.response = Response(200, OF_ANOTHER_SHAPE[what])
    try:
        assert store.get(PLAIN) == VALUE
        info = store.get_info(PLAIN)
        assert info is not None
        assert info.stale
        with pytest.raises(UnexpectedAnswer) as caught:
            store.get(ADOPTED, force_refresh=True)
    finally:
        stage.wire.response = None
    assert isinstance(caught.value, OUTAGE)


def test_read_of_version_rejects_response_with_another_version(stage: Stage) -> None:
    body = {"data": {"data": {"value": "x"}, "metadata": {"version": 7}}}
    stage.wire.path, stage.wire.response = CALLS[read], Response(200, json.dumps(body).encode())
    try:
        with pytest.raises(UnexpectedAnswer, match="is not the one that was requested"):
            stage.client.secrets.get(PLAIN, version=1, force_refresh=True)
    finally:
        stage.wire.response = None


def test_watcher_of_one_name_does_not_block_watchers_of_others(stage: Stage) -> None:
    notified = threading.Event()
    store = stage.client.secrets
    store.require([PLAIN, KEPT])
    watches = [store.on_change(PLAIN, print), store.on_change(KEPT, lambda _: notified.set())]
    stage.wire.path = f"secret/data/{SCOPE.secret(PLAIN)}"
    stage.wire.response = Response(200, KV1)
    try:
        stage.operator.put(KEPT, "another")
        stage.server.clock.advance(LIMITS.cache_ttl + 1)
        store.fetcher.refresher.refresh_due()
        assert notified.wait(10)
    finally:
        stage.wire.response = None
        stage.operator.put(KEPT, VALUE)
        for watch in watches:
            watch.cancel()
