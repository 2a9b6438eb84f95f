"""Random calls of the SDK while everything around it fails."""

from __future__ import annotations

import itertools
import json
import logging
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import hvac
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from app_integration.client import Client
from app_integration.errors import StrongroomError
from app_integration.hvac_adapter.adapter import build_hvac_client
from app_integration.observability.audit_sinks import Sink
from tests.histories import evidence, history
from tests.histories.history import Call, Fault, History, OrphanReport, Write
from tests.histories.site import LEASE_PATH, LIMITS, SECRETS, Site
from tests.support.polling import wait_until

THREADS: Final = 5
ONCE_ROLES: Final = 20  # roles of a run that are leased once each
#: Longest pause of a thread between two calls, and of the operator between two writes, in seconds.
_CALL_PAUSE, _WRITE_PAUSE = 0.02, 0.1
_RECENT: Final = 20  # tokens that are decrypted, so that some are of a data key before the last
_CALM: Final = 0.3  # longest time between two faults, in seconds
ALL_FAULTS: Final = (
    *(history.KILL, history.PAUSE, history.CUT, history.RESET, history.BLACKHOLE, history.DELAY),
    *(history.REVOKED_TOKEN, history.REVOKED_LEASES, history.DENIED),
)
#: Operations, each with its share of the calls.
_SHARES: Final = {
    history.READ: 48,
    history.READ_ANEW: 12,
    history.READ_VERSION: 8,
    history.ENCRYPT: 5,
    history.DECRYPT: 5,
    history.QUERY: 12,
    history.WRITE_ONCE: 9,
    history.LEASE_ONCE: 1,
}
_ERRORS: Final = (StrongroomError, SQLAlchemyError, hvac.exceptions.VaultError)


class RecordedClient(Client):
    """A client that keeps each thread's last access record."""

    _local: threading.local

    def open_audit_sink(self) -> Sink:
        """Return a sink that keeps the line of the calling thread."""
        self._local = threading.local()
        return self._keep

    def _keep(self, line: str) -> None:
        self._local.record = json.loads(line)

    def last_record(self) -> dict[str, Any]:
        """Return the last access record of this thread."""
        record: dict[str, Any] = self._local.record
        return record


class Run:
    """One run on a site."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 (not for secrets)
        self._client = RecordedClient(site.settings)
        self._engine: Engine = self._client.databases.engine(None, None, pool_size=1)
        self._hvac = build_hvac_client(self._client.session)
        self._names = tuple(f"{name}-{next(site.numbers)}" for name in ("alpha", "beta", "gamma"))
        roles = (f"once-{next(site.numbers)}" for _ in range(ONCE_ROLES))
        self._once_roles = iter([site.add_role(role) for role in roles])
        self._numbers = itertools.count(1)
        self._is_over = threading.Event()
        self._calls: list[Call] = []
        self._writes: list[Write] = []
        self._written: dict[str, int] = {}  # the last version of each secret
        self._texts: dict[str, str] = {}  # by their tokens
        self._failed: list[Exception] = []

    def __call__(self, kinds: Sequence[str] = ALL_FAULTS) -> History:
        """Return the history of random calls during one fault of each of *kinds*, in any order."""
        begun = time.time()
        for name in self._names:
            self._write(name)
        with _reports() as reports:
            faults = self._run(self._chance.sample(kinds, len(kinds)))
        if self._failed:
            raise self._failed[0]
        site = self._site
        logins = evidence.read_logins(site.database_log, begun)
        return History(
            seed=self._seed,
            cache_ttl=LIMITS.cache_ttl,
            stale_limit=LIMITS.stale_limit,
            data_key_age=LIMITS.data_key_age,
            deadline=LIMITS.deadline,
            calls=tuple(self._calls),
            requests=evidence.read_requests(site.node.audit_log, begun, site.operator, logins),
            logins=logins,
            faults=tuple(faults),
            writes=tuple(self._writes),
            reports=tuple(reports),
        )

    def _run(self, kinds: Sequence[str]) -> list[Fault]:
        bodies = [self._write_randomly, *[self._call_randomly] * THREADS]
        threads = [
            threading.Thread(target=self._guard, args=(body, number, self._chance.random()))
            for number, body in enumerate(bodies)
        ]
        for thread in threads:
            thread.start()
        try:
            return [self._inject(kind) for kind in kinds]
        finally:
            self._is_over.wait(self._chance.uniform(0, _CALM))
            self._is_over.set()
            for thread in threads:
                thread.join()
            self._client.close()

    def _inject(self, kind: str) -> Fault:
        # So that the next fault finds cached values, of which some become stale.
        wait_until(self._is_readable, "the end of the fault before")
        self._is_over.wait(self._chance.uniform(0, _CALM))
        return self._site.inject(kind, self._chance)

    def _is_readable(self) -> bool:
        """Return whether the SDK gets an answer for each secret."""
        try:
            for name in self._names:
                self._client.secrets.get(name, force_refresh=True)
        except StrongroomError:
            return False
        return True

    def _guard(self, body: Any, number: int, seed: float) -> None:
        """Run *body*, and keep an error that no call may raise."""
        try:
            body(number, random.Random(seed))  # noqa: S311 (not for secrets)
        except Exception as error:  # noqa: BLE001 (raised by the caller of the run)
            self._failed.append(error)

    def _write_randomly(self, _: int, chance: random.Random) -> None:
        while not self._is_over.wait(chance.uniform(0, _WRITE_PAUSE)):
            try:
                self._write(chance.choice(self._names))
            except StrongroomError:
                continue

    def _write(self, name: str) -> None:
        path, value, begun = f"{SECRETS}/{name}", next(self._numbers), time.time()
        body = {"data": {"value": str(value)}}
        version = self._site.operator.post(path, body, retry=False)["data"]["version"]
        self._writes.append(Write(path, version, value, begun, time.time()))
        self._written[name] = version

    def _call_randomly(self, thread: int, chance: random.Random) -> None:
        while not self._is_over.wait(chance.uniform(0, _CALL_PAUSE)):
            (operation,) = chance.choices([*_SHARES], [*_SHARES.values()])
            path = self._choose_path(operation, chance)
            if path is not None:
                self._calls.append(self._call(thread, operation, path))

    def _choose_path(self, operation: str, chance: random.Random) -> str | None:
        """Return what a call is about; None if there is nothing left."""
        if operation == history.LEASE_ONCE:
            return next(self._once_roles, None)
        if operation == history.DECRYPT:
            recent = [*self._texts][-_RECENT:]
            return chance.choice(recent) if recent else None
        if operation == history.WRITE_ONCE:
            return f"{SECRETS}/once/{next(self._site.numbers)}"
        return (
            LEASE_PATH if operation == history.QUERY else f"{SECRETS}/{chance.choice(self._names)}"
        )

    def _call(self, thread: int, operation: str, path: str) -> Call:
        number, begun = next(self._numbers), time.time()
        outcome, found = history.VALUE, dict[str, Any]()
        try:
            found = self._perform(operation, path)
        except _ERRORS as error:
            outcome = type(error).__name__
        return Call(number, thread, operation, path, begun, time.time(), outcome, **found)

    def _perform(self, operation: str, path: str) -> dict[str, Any]:
        """Send one call, and return what its caller knows of it."""
        if operation == history.WRITE_ONCE:
            body = {"data": {"value": "1"}}
            return {
                "version": self._client.session.post(path, body, retry=False)["data"]["version"]
            }
        if operation == history.LEASE_ONCE:
            return {"lease_id": self._hvac.read(path)["lease_id"]}
        if operation == history.QUERY:
            with self._engine.connect() as connection:
                return {"value": connection.execute(text("SELECT 1")).scalar_one()}
        if operation == history.ENCRYPT:
            token = self._client.cipher("pii").encrypt_field(path)
            self._texts[str(token)] = path
            return {}
        if operation == history.DECRYPT:
            assert self._client.cipher("pii").decrypt_field(path) == self._texts[path]
            return {}
        return self._read(operation, path.rpartition("/")[2])

    def _read(self, operation: str, name: str) -> dict[str, Any]:
        value = self._client.secrets.get(
            name,
            force_refresh=operation == history.READ_ANEW,
            version=self._written[name] if operation == history.READ_VERSION else None,
        )
        record = self._client.last_record()
        known = {name: record.get(name) for name in ("version", "request_id")}
        return {"value": int(value.reveal()), "served": record["outcome"], **known}


@contextmanager
def _reports() -> Iterator[list[OrphanReport]]:
    """Yield the list to which the SDK's reports of lost leases are added."""
    found: list[OrphanReport] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, tuple):
                found.append(OrphanReport(record.created, str(record.args[0])))

    logger, handler = logging.getLogger("app_integration.session.requests"), Handler()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
