"""A store, a server in memory, and a plain dict that says what the store must give."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app_integration.auth.methods import StaticToken
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    SecretDeleted,
    SecretNotFound,
    StrongroomError,
)
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.cache_entry import OUTAGE_BACKOFF, Key
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.session.token_manager import DENIAL_SECONDS
from app_integration.settings import Limits
from app_integration.sources import Fetched
from app_integration.sources.vault import VaultSource
from app_integration.testing.application import approle_files
from app_integration.testing.faults import Fault
from app_integration.testing.memory_vault import ADDRESS, MemoryVault

SCOPE = Scope("shop", Environment.PROD)
LIMITS = Limits(cache_entries=64, negative_entries=64)
#: The last is one whose value somebody changes by the clock.
NAMES = ("jwt-secret", "smtp-password", "database-password")
EXPIRING, LIFE = "database-password", 40.0
STEPS = (
    0.5,
    4.75,
    5.0,
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
class Held:
    """What the store may go on serving."""

    value: str
    version: int
    asked: float  # on the store's clock
    waiting: float = float("-inf")  # since when it need not ask again, the server being away


@dataclass
class Gone:
    """What it need not ask for."""

    kind: type[StrongroomError]
    since: float
    pause: float


class Watched:
    """The real source, with a note of each answer, and a life for the value that has one."""

    is_authoritative: ClassVar = True

    def __init__(self, source: VaultSource, told: Callable[..., None]) -> None:
        self._source = source
        self._told = told

    def fetch(self, name: str, version: int | None, field: str | None) -> Fetched:
        key: Key = name if version is None else (name, version, None)
        try:
            fetched = self._source.fetch(name, version, field)
        except StrongroomError as error:
            self._told(key, error)
            raise
        self._told(key, fetched)
        return replace(fetched, expires_in=LIFE) if name == EXPIRING else fetched


class StoreMachine(RuleBasedStateMachine):
    """Puts, rotations, deletions, denials, lost tokens, outages and clock steps, against a dict."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        self.server = MemoryVault(authorise=self._allows)
        self.denied: set[str] = set()
        self.truth: dict[str, list[str | None]] = {}  # name → value of each version; None: gone
        self.outage: ExitStack | None = None
        self.skew = 0.0  # of the store's clock, against the server's
        self.held: dict[Key, Held] = {}
        self.gone: dict[Key, Gone] = {}
        self.requests = 0
        self.spared = float("-inf")  # since when any that was due may be waiting, unasked
        self.last: Fetched | StrongroomError | None = None
        self.last_key: Key = ""

    @initialize(jitter=st.floats(0, 1))
    def start(self, jitter: float) -> None:
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        role = self.server.approles.get_or_create_role(str(SCOPE))
        login = approle_files(folder, role.role_id, role.issue())
        root = self.server.tokens.issue("operator", ("root",), ttl=float("inf"))
        self.session, self.operator = (
            self._open.enter_context(
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
            [Watched(VaultSource(self.session, SCOPE), self._told)],
            AuditLog(SCOPE, lambda _line: None),
            limits=LIMITS,
            registry=redaction.SecretRegistry(),
            clock=self.clock,
            jitter=lambda: jitter,
        )
        for name in NAMES:
            self.put(name, "first")

    def teardown(self) -> None:
        self.end_outage()
        self._open.close()

    def clock(self) -> float:
        return self.server.clock() + self.skew

    def _allows(self, policies: tuple[str, ...], _capability: str, path: str) -> bool:
        return "root" in policies or path.rpartition("/")[2] not in self.denied

    def _told(self, key: Key, answer: Fetched | StrongroomError) -> None:
        """Keep the model: what the store has heard by now."""
        self.requests += 1
        self.last, self.last_key, now = answer, key, self.clock()
        name = key if isinstance(key, str) else key[0]
        if isinstance(answer, Fetched):
            self.gone.pop(key, None)
            self.held[key] = Held(answer.value + "", answer.version or 0, now)
            return
        if isinstance(answer, OUTAGE):
            if self._stale(key, now):
                self.held[key].waiting = now
            else:
                self.held.pop(key, None)
            return
        pause = LIMITS.negative_ttl if isinstance(key, str) else LIMITS.cache_ttl
        self.gone[key] = Gone(type(answer), now, pause)
        whole = isinstance(answer, AccessDenied)
        lost = [each for each in self.held if each == key or (whole and name == _name(each))]
        for each in lost:
            del self.held[each]

    # What happens at the server.

    @rule(name=names, value=st.text("abc", min_size=1, max_size=3))
    def put(self, name: str, value: str) -> None:
        """A first version, or a rotation."""
        with self._reachable():
            self.operator.post(_path("data", name), {"data": {"value": value}})
        self.truth.setdefault(name, []).append(value)

    @rule(name=names)
    def delete(self, name: str) -> None:
        if self.truth.get(name):
            with self._reachable():
                self.operator.delete(_path("data", name))
            self.truth[name][-1] = None

    @rule(name=names, number=versions)
    def destroy(self, name: str, number: int) -> None:
        if number <= len(self.truth.get(name, ())):
            with self._reachable():
                self.operator.post(_path("destroy", name), {"versions": [number]})
            self.truth[name][number - 1] = None

    @rule(name=names)
    def revoke(self, name: str) -> None:
        """The policy no longer grants it; again, and it does."""
        self.denied ^= {name}

    @rule()
    def expire(self) -> None:
        """The token's time is over, or somebody revoked it.

        Not twice in the time in which a session takes every 403 for one about the path.
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

    def _reachable(self) -> ExitStack:
        """The operator works at the server itself: no fault reaches it."""
        stack, faults = ExitStack(), self.server._faults
        planned, faults._planned = faults._planned, []
        stack.callback(setattr, faults, "_planned", planned)
        return stack

    # Two courses that chance takes too seldom.

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

    # What happens to time and process.

    @rule(seconds=st.sampled_from(STEPS))
    def wait(self, seconds: float) -> None:
        self.server.clock.advance(seconds)

    @rule(seconds=st.sampled_from(STEPS), back=st.booleans())
    def step_clock(self, seconds: float, back: bool) -> None:
        self.skew += -seconds if back else seconds

    @rule()
    def refresh(self) -> None:
        """What the background thread does."""
        begun, before = self.clock(), self.requests
        assert self.store.fetcher.refresh_due() >= 0
        ended = [key for key in self.held if begun >= self.held[key].asked + self._limit(key)]
        for key in ended:
            del self.held[key]  # let go of
        if self.requests > before and isinstance(self.last, OUTAGE):
            self.spared = self.clock()

    @rule()
    def fork(self) -> None:
        """What happens in a forked child."""
        self.store.reset_after_fork()

    # What the application does, and what it must get.

    @rule(name=names, default=st.booleans())
    def get(self, name: str, default: bool) -> None:
        expected = self._without_asking(name)
        given: dict[str, Any] = {"default": "other"} if default else {}
        got, asked = self._asked(lambda: self.store.get(name, **given))
        self._check(name, expected, got, asked, "other" if default else None)

    @rule(name=names, number=versions)
    def get_version(self, name: str, number: int) -> None:
        key = (name, number, None)
        expected = self._without_asking(key)
        got, asked = self._asked(lambda: self.store.get(name, version=number))
        self._check(key, expected, got, asked, None)

    @rule(name=names)
    def force(self, name: str) -> None:
        """With the server there, the answer is the truth of this moment."""
        got, asked = self._asked(lambda: self.store.get(name, force_refresh=True))
        assert asked == 1
        if self.outage is None:
            assert got == self._truth(name)
        else:
            self._check(name, None, got, asked, None)

    @rule(name=names)
    def pair(self, name: str) -> None:
        """The previous version is the one before, or none."""
        got, asked = self._asked(lambda: self.store.current_and_previous(name))
        if not isinstance(got, tuple):
            return
        if asked and isinstance(self.last, OUTAGE) and self.last_key not in (name, *self.held):
            self.gone[self.last_key] = Gone(type(self.last), self.clock(), OUTAGE_BACKOFF)
        version, previous = self.held[name].version, got[1]
        assert got[0] == self.held[name].value
        if previous is not None:
            assert previous == self.held[name, version - 1, None].value

    def _asked(self, call: Callable[[], Any]) -> tuple[Any, int]:
        """What *call* gives, an error's class in place of the error, and how often it asked."""
        before = self.requests
        try:
            got = call()
        except StrongroomError as error:
            got = type(error)
        return got, self.requests - before

    def _without_asking(self, key: Key) -> object:
        """What must be served without asking; None when the server must be asked."""
        now, held, gone = self.clock(), self.held.get(key), self.gone.get(key)
        if held is not None and within(held.asked, now, self._ttl(key)):
            return held.value
        if held and within(held.waiting, now, OUTAGE_BACKOFF) and self._stale(key, now):
            return held.value
        if gone is not None and within(gone.since, now, gone.pause):
            return gone.kind
        return None

    def _ttl(self, key: Key) -> float:
        return LIFE if _name(key) == EXPIRING else LIMITS.cache_ttl

    def _stale(self, key: Key, now: float) -> bool:
        """Whether what is held may stand in for an answer."""
        return key in self.held and within(self.held[key].asked, now, self._limit(key))

    def _limit(self, key: Key) -> float:
        return LIFE if _name(key) == EXPIRING else LIMITS.stale_limit

    def _check(self, key: Key, expected: Any, got: Any, asked: int, default: str | None) -> None:
        now = self.clock()
        if expected is None and not asked:
            assert within(self.spared, now, OUTAGE_BACKOFF)
            assert self._stale(key, now)
            expected = self.held[key].value
        elif expected is None:
            assert asked == 1
            expected = self._heard(key)
        else:
            assert asked == 0
        absent = isinstance(expected, type) and issubclass(expected, SecretNotFound)
        assert got == (default if absent and default else expected)

    def _heard(self, key: Key) -> object:
        """What the answer that came in amounts to."""
        if isinstance(self.last, Fetched):
            return self.last.value
        if isinstance(self.last, OUTAGE) and self._stale(key, self.clock()):
            return self.held[key].value
        return type(self.last)

    def _truth(self, name: str) -> object:
        if name in self.denied:
            return AccessDenied
        values = self.truth.get(name)
        if not values:
            return SecretNotFound
        return values[-1] if values[-1] is not None else SecretDeleted

    @invariant()
    def what_is_told_is_what_is_held(self) -> None:
        for name in NAMES if hasattr(self, "store") else ():
            info, held = self.store.get_info(name), self.held.get(name)
            if info is None:
                # Let go of by the refresh, at its end, or never there.
                assert held is None or not self._stale(name, self.clock())
                continue
            assert held is not None
            assert info.version == held.version
            assert info.age == self.clock() - held.asked
            assert info.stale == (not within(held.asked, self.clock(), self._ttl(name)))


def within(since: float, now: float, seconds: float) -> bool:
    """Whether *now* lies in the *seconds* that began *since*; rounded as the store rounds."""
    return since <= now < since + seconds


def _name(key: Key) -> str:
    return key if isinstance(key, str) else key[0]


def _path(what: str, name: str) -> str:
    return f"secret/{what}/{SCOPE.secret(name)}"
