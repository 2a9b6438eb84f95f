"""State machine that compares a secret store with a model, on a server in memory."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app_integration._internal.backoff import BACKOFF_MIN, backoff
from app_integration.auth.methods import StaticToken
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    SecretDeleted,
    SecretNotFound,
    ServerFault,
    StrongroomError,
)
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.cache_entry import Key, current
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.session.token_manager import DENIAL_SECONDS
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret, Version
from app_integration.sources.outage import OUTAGE_BACKOFF
from app_integration.sources.vault import VaultSource
from app_integration.testing.application import approle_files
from app_integration.testing.faults import Fault
from app_integration.testing.memory_vault import ADDRESS, MemoryVault

SCOPE = Scope("shop", Environment.PROD)
LIMITS = Limits(cache_entries=64, negative_entries=64)
#: The source limits the TTL of the last one's value, as that of a rotated database password.
NAMES = ("jwt-secret", "smtp-password", "database-password")
EXPIRING, TTL = "database-password", 40.0
STEPS = (
    0.5,
    4.75,
    5.0,
    12.0,
    29.0,
    30.0,
    39.75,
    149.0,
    151.0,
    299.75,
    300.0,
    301.0,
    1800.0,
    3600.0,
    4000.0,
)

names = st.sampled_from(NAMES)
versions = st.integers(1, 4)


@dataclass
class CachedEntry:
    value: str
    version: int | str
    fetched_at: float
    failed_at: float = -math.inf


@dataclass
class NegativeEntry:
    kind: type[StrongroomError]
    since: float
    ttl: float


@dataclass
class KnownOutage:
    """An outage that the store knows of, by the last attempt to reach the server."""

    kind: type[StrongroomError]
    since: float
    pause: float
    attempts: int

    def is_known(self, now: float) -> bool:
        return within(self.since, now, self.pause + 2 * LIMITS.deadline)

    def is_attempt_due(self, now: float) -> bool:
        return not within(self.since, now, self.pause)


class RecordingSource:
    """Real source, which reports each response and sets the TTL of one value."""

    is_authoritative: ClassVar = True

    def __init__(self, source: VaultSource, on_response: Callable[..., None]) -> None:
        self._source = source
        self._on_response = on_response

    def fetch(self, name: str, version: Version, field: str | None) -> FetchedSecret:
        key: Key = (name, version, None)
        try:
            fetched = self._source.fetch(name, version, field)
        except StrongroomError as error:
            self._on_response(key, error)
            raise
        self._on_response(key, fetched)
        return replace(fetched, expires_in=TTL) if name == EXPIRING else fetched


class StoreMachine(RuleBasedStateMachine):
    """Secret store under random writes, rotations, deletions, denials, outages and clock steps."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.server = MemoryVault(authorise=self._allows)
        self.denied: set[str] = set()
        self.server_values: dict[str, list[str | None]] = {}
        self.outage: ExitStack | None = None
        self.skew = 0.0
        self.cached: dict[Key, CachedEntry] = {}
        self.negative: dict[Key, NegativeEntry] = {}
        self.requests = 0
        self.known: KnownOutage | None = None
        self.failing: dict[str, bool] = {}
        self.suspects: set[str] = set()
        self.last: FetchedSecret | StrongroomError | None = None

    @initialize(jitter=st.floats(0, 1), has_thread=st.booleans())
    def start(self, jitter: float, has_thread: bool) -> None:
        self.jitter, self.has_thread = jitter, has_thread
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        role = self.server.approles.get_or_create_role(str(SCOPE))
        login = approle_files(folder, role.role_id, role.issue())
        root = self.server.tokens.issue("operator", ("root",), ttl=float("inf"))
        self.session, self.operator = (
            self._stack.enter_context(
                Session(
                    ADDRESS,
                    each,
                    clock=self.server.clock,
                    sleep=self.server.clock.sleep,
                    connect=lambda: self.server,
                )
            )
            for each in (login, StaticToken(Secret(root.value)))
        )
        self.store = SecretStore(
            [RecordingSource(VaultSource(self.session, SCOPE), self._on_response)],
            AuditLog(SCOPE, lambda _line: None),
            limits=LIMITS,
            registry=redaction.SecretRegistry(),
            clock=self.clock,
            jitter=lambda: jitter,
        )
        (outage,) = self.store.fetcher._chain._outages
        outage.has_thread = has_thread  # which is `refresh`
        for name in NAMES:
            self.put(name, "first")

    def teardown(self) -> None:
        self.end_outage()
        self._stack.close()

    def clock(self) -> float:
        return self.server.clock() + self.skew

    def _allows(self, policies: tuple[str, ...], _capability: str, path: str) -> bool:
        return "root" in policies or path.rpartition("/")[2] not in self.denied

    def _on_response(self, key: Key, response: FetchedSecret | StrongroomError) -> None:
        """Update the model with the response that the store received."""
        self.requests += 1
        self.last, now = response, self.clock()
        name = key[0]
        self._note_availability(name, response, now)
        if isinstance(response, FetchedSecret):
            self.negative.pop(key, None)
            self.cached[key] = CachedEntry(response.value + "", response.version or 0, now)
            return
        if isinstance(response, OUTAGE):
            self._note_failure(key, response, now)
            return
        ttl = LIMITS.negative_ttl if key[1] is None else LIMITS.cache_ttl
        self.negative[key] = NegativeEntry(type(response), now, ttl)
        whole = isinstance(response, AccessDenied)
        dropped = [each for each in self.cached if each == key or (whole and name == each[0])]
        for each in dropped:
            del self.cached[each]

    def _note_failure(self, key: Key, response: StrongroomError, now: float) -> None:
        is_alone = self.known is None or not self.known.is_known(now)
        if self._is_usable_on_outage(key, now):
            self.cached[key].failed_at = now if is_alone else self.cached[key].failed_at
            return
        self.cached.pop(key, None)
        if is_alone:
            self.negative[key] = NegativeEntry(type(response), now, BACKOFF_MIN)

    def _note_availability(
        self, name: str, response: FetchedSecret | StrongroomError, now: float
    ) -> None:
        if not isinstance(response, OUTAGE):
            self.known = None
            self.failing = {each: True for each in self.failing if each != name}
            return
        is_alone = self.failing.setdefault(name, False)
        if not is_alone:
            self.suspects.add(name)
        known = self.known if self.known is not None and self.known.is_known(now) else None
        is_first = list(self.failing.values()).count(False) == 1 and isinstance(
            response, ServerFault
        )
        if known is None and (is_alone or is_first):
            return
        if known is None or known.is_attempt_due(now):
            attempts = 1 if known is None else known.attempts + 1
            pause = backoff(attempts, self.jitter, OUTAGE_BACKOFF)
            self.known = KnownOutage(type(response), now, pause, attempts)

    # Changes at the server.

    @rule(name=names, value=st.text("abc", min_size=1, max_size=3))
    def put(self, name: str, value: str) -> None:
        """Write the first version or rotate."""
        with self._without_faults():
            self.operator.post(_path("data", name), {"data": {"value": value}})
        self.server_values.setdefault(name, []).append(value)

    @rule(name=names)
    def delete(self, name: str) -> None:
        if self.server_values.get(name):
            with self._without_faults():
                self.operator.delete(_path("data", name))
            self.server_values[name][-1] = None

    @rule(name=names, number=versions)
    def destroy(self, name: str, number: int) -> None:
        if number <= len(self.server_values.get(name, ())):
            with self._without_faults():
                self.operator.post(_path("destroy", name), {"versions": [number]})
            self.server_values[name][number - 1] = None

    @rule(name=names)
    def revoke(self, name: str) -> None:
        """Remove *name* from the policy, or add it again."""
        self.denied ^= {name}

    @rule()
    def expire(self) -> None:
        """Expire the session's Vault token.

        The clock advances first, because a session does not take a 403 for a sign of an expired
        token in the DENIAL_SECONDS after a new token was denied too.
        """
        self.server.clock.advance(DENIAL_SECONDS)
        for token in self.server.tokens.living():
            if "root" not in token.policies:
                self.server.tokens.revoke(token)

    @rule(fault=st.sampled_from([Fault.SEALED, Fault.UNREACHABLE, Fault.FAILING, Fault.SLOW]))
    def begin_outage(self, fault: Fault) -> None:
        if self.outage is None:
            self.outage = ExitStack()
            self.outage.enter_context(self.server.fault(fault))

    @rule()
    def end_outage(self) -> None:
        if self.outage is not None:
            self.outage.close()
            self.outage = None

    def _without_faults(self) -> ExitStack:
        """Suspend the faults while the operator writes."""
        stack, faults = ExitStack(), self.server._faults
        planned, faults._planned = faults._planned, []
        stack.callback(setattr, faults, "_planned", planned)
        return stack

    # Sequences that random choice produces too seldom.

    @rule(name=names, other=names, seconds=st.sampled_from(STEPS))
    def calls_in_an_outage(self, name: str, other: str, seconds: float) -> None:
        self.begin_outage(Fault.SEALED)
        self.wait(LIMITS.cache_ttl)
        self.get(name, default=False)
        self.wait(seconds)
        self.refresh()
        self.get(other, default=True)
        self.get_version(other, 1)

    @rule(name=names, seconds=st.sampled_from((3599.5, 3600.0, 3700.0)))
    def long_outage(self, name: str, seconds: float) -> None:
        self.end_outage()
        self.force(name)
        self.begin_outage(Fault.SEALED)
        self.wait(seconds)
        self.get(name, default=False)

    @rule(name=names)
    def denial_of_every_version(self, name: str) -> None:
        self.get_version(name, 1)
        self.revoke(name)
        self.force(name)
        self.get_version(name, 1)

    # Time, background thread and process.

    @rule(seconds=st.sampled_from(STEPS))
    def wait(self, seconds: float) -> None:
        self.server.clock.advance(seconds)

    @rule(seconds=st.sampled_from(STEPS), back=st.booleans())
    def step_clock(self, seconds: float, back: bool) -> None:
        self.skew += -seconds if back else seconds

    @rule()
    def refresh(self) -> None:
        """Refresh the entries that are due, as the background thread does."""
        begun, before, known = self.clock(), self.requests, self.known
        self.suspects.clear()
        assert self.store.fetcher.refresher.refresh_due() >= 0
        if known is not None and known.is_known(begun) and not known.is_attempt_due(begun):
            assert self.requests == before
        if self.outage is not None:
            # The second one if the first one's failure concerns its path only.
            assert len(self.suspects) <= 2
        expired = [
            key for key in self.cached if begun >= self.cached[key].fetched_at + self._limit(key)
        ]
        for key in expired:
            del self.cached[key]

    @rule()
    def fork(self) -> None:
        """Reset the store as in a forked child."""
        self.store.fetcher.reset_after_fork()

    # Calls of the application, and their expected results.

    @rule(name=names, default=st.booleans())
    def get(self, name: str, default: bool) -> None:
        key = current(name)
        expected = self._expected_without_request(key)
        options: dict[str, Any] = {"default": "other"} if default else {}
        got, requests = self._call(lambda: self.store.get(name, **options))
        self._check(key, expected, got, requests, "other" if default else None)

    @rule(name=names, number=versions)
    def get_version(self, name: str, number: int) -> None:
        key = (name, number, None)
        expected = self._expected_without_request(key)
        got, requests = self._call(lambda: self.store.get(name, version=number))
        self._check(key, expected, got, requests, None)

    @rule(name=names)
    def force(self, name: str) -> None:
        """Force a refresh. The result is the current state of the server, or its error."""
        got, requests = self._call(lambda: self.store.get(name, force_refresh=True))
        assert requests == 1
        if self.outage is None:
            assert got == self._expected_from_server(name)
        else:
            assert isinstance(self.last, OUTAGE)
            assert got is type(self.last)

    @rule(name=names)
    def pair(self, name: str) -> None:
        """Get the current and the previous version, which may be None."""
        got, _ = self._call(lambda: self.store.current_and_previous(name))
        if not isinstance(got, tuple):
            return
        cached, previous = self.cached[current(name)], got[1]
        version = cached.version
        assert got[0] == cached.value
        if previous is not None:
            assert isinstance(version, int)
            assert previous == self.cached[name, version - 1, None].value

    def _call(self, call: Callable[[], Any]) -> tuple[Any, int]:
        """Return the result of *call*, or its error's class, and the number of requests it sent."""
        before = self.requests
        try:
            got = call()
        except StrongroomError as error:
            got = type(error)
        return got, self.requests - before

    def _expected_without_request(self, key: Key) -> object:
        """Return the result that needs no request, or None if the store must send one."""
        now, cached, negative = self.clock(), self.cached.get(key), self.negative.get(key)
        if cached is not None and within(cached.fetched_at, now, self._ttl(key)):
            return cached.value
        known = self.known if self.known is not None and self.known.is_known(now) else None
        is_outage = known or (cached and within(cached.failed_at, now, OUTAGE_BACKOFF))
        if cached and is_outage and self._is_usable_on_outage(key, now):
            return cached.value
        if negative is not None and within(negative.since, now, negative.ttl):
            return negative.kind
        return known.kind if known and self.has_thread else None

    def _ttl(self, key: Key) -> float:
        return TTL if key[0] == EXPIRING else LIMITS.cache_ttl

    def _is_usable_on_outage(self, key: Key, now: float) -> bool:
        """Return whether the cached value may be served stale."""
        return key in self.cached and within(self.cached[key].fetched_at, now, self._limit(key))

    def _limit(self, key: Key) -> float:
        return TTL if key[0] == EXPIRING else LIMITS.stale_limit

    def _check(self, key: Key, expected: Any, got: Any, requests: int, default: str | None) -> None:
        if expected is None:
            assert requests == 1
            expected = self._expected_from_response(key)
        else:
            assert requests == 0
        missing = isinstance(expected, type) and issubclass(expected, SecretNotFound)
        assert got == (default if missing and default else expected)

    def _expected_from_response(self, key: Key) -> object:
        """Return the result that the last response leads to."""
        if isinstance(self.last, FetchedSecret):
            return self.last.value
        if isinstance(self.last, OUTAGE) and self._is_usable_on_outage(key, self.clock()):
            return self.cached[key].value
        return type(self.last)

    def _expected_from_server(self, name: str) -> object:
        if name in self.denied:
            return AccessDenied
        values = self.server_values.get(name)
        if not values:
            return SecretNotFound
        return values[-1] if values[-1] is not None else SecretDeleted

    @invariant()
    def info_matches_the_model(self) -> None:
        for name in NAMES if hasattr(self, "store") else ():
            info, key = self.store.get_info(name), current(name)
            cached = self.cached.get(key)
            if info is None:
                # A refresh dropped it when it expired, or it was never cached.
                assert cached is None or not self._is_usable_on_outage(key, self.clock())
                continue
            assert cached is not None
            assert info.version == cached.version
            assert info.age == self.clock() - cached.fetched_at
            assert info.stale == (not within(cached.fetched_at, self.clock(), self._ttl(key)))


def within(since: float, now: float, seconds: float) -> bool:
    """Return whether *now* is in the *seconds* after *since*, rounded as the store rounds."""
    return since <= now < since + seconds


def _path(what: str, name: str) -> str:
    return f"secret/{what}/{SCOPE.secret(name)}"
