"""Processes that sign login tokens with a secret, and verify each other's, during its rotations.

All times are scaled down alike: an SDK's limits here, and the clock of the rotations. So each of
them has the same share in the others as with the default limits.
"""

from __future__ import annotations

import multiprocessing
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from pydantic import SecretStr

from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.names import Environment
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from examples.gaara_store import signing, tokens
from tests.support.models.rotations import build_rotation, change_service, dev_context
from tests.support.processes.running_store import wait_until
from tests.support.servers.deployment import Deployment
from vault.declare.declaration import Declaration
from vault.rotation.inventory import declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.rotation import Rotation

PATH: Final = "secret/data/gaara-store/dev/jwt-secret"
RECORD: Final = "secret/metadata/_strongroom/dev/rotation/secret/gaara-store/dev/jwt-secret"
_CONTEXT: Final = multiprocessing.get_context("spawn")
_PAUSE: Final = 0.01  # seconds between two tokens of a process
_DEFAULT: Final = Limits()

Keys = Iterable[Any]
FindKeys = Callable[[SecretStore], Keys]


def all_keys(secrets: SecretStore) -> Keys:
    """Return the keys that may have signed."""
    return secrets.verification_keys(signing.NAME)


def known_keys(secrets: SecretStore) -> Keys:
    """Return the keys that a process knew before keys were announced."""
    return filter(None, secrets.current_and_previous(signing.NAME))


@dataclass
class Tally:
    verified: int = 0
    failed: int = 0
    keys: int = 0


@dataclass
class Peers:
    scale: int
    inboxes: list[Any]
    stopping: Any = field(default_factory=_CONTEXT.Event)
    results: Any = field(default_factory=_CONTEXT.Queue)
    ready: Any = field(default_factory=lambda: _CONTEXT.Semaphore(0))
    begin: datetime = field(default_factory=lambda: datetime.now(UTC))
    start: float = field(default_factory=time.monotonic)

    def clock(self) -> datetime:
        return self.begin + timedelta(seconds=(time.monotonic() - self.start) * self.scale)

    def end(self) -> list[Tally]:
        """Stop the processes, and return what each has done."""
        self.stopping.set()
        return [self.results.get(timeout=30) for _ in self.inboxes]


@contextmanager
def running_peers(
    settings: Settings, number: int, scale: int, find_keys: FindKeys = all_keys
) -> Iterator[Peers]:
    """Yield *number* processes with *settings* that have begun to sign and verify."""
    limits = replace(
        settings.limits,
        cache_ttl=_DEFAULT.cache_ttl / scale,
        stale_limit=_DEFAULT.stale_limit / scale,
    )
    settings = replace(settings, limits=limits, audit_mode="aggregate")
    peers = Peers(scale, [_CONTEXT.Queue(maxsize=2 * number) for _ in range(number)])
    shared = (peers.inboxes, peers.stopping, peers.results, peers.ready)
    processes = [
        _CONTEXT.Process(target=_run, args=(each, settings, find_keys, *shared), daemon=True)
        for each in range(number)
    ]
    for process in processes:
        process.start()
    try:
        for _ in processes:
            assert peers.ready.acquire(timeout=60)
        yield peers
    finally:
        peers.stopping.set()
        for process in processes:
            process.join(30)


def _run(
    number: int,
    settings: Settings,
    find_keys: FindKeys,
    inboxes: list[Any],
    stopping: Any,
    results: Any,
    ready: Any,
) -> None:
    """Send tokens to all other processes, and verify those that have arrived at once."""
    tally, keys, is_ready = Tally(), set(), False
    others = [each for each in inboxes if each is not inboxes[number]]
    with closing(Client(settings)) as client:
        while not stopping.wait(_PAUSE):
            key = client.secrets.get(signing.NAME).reveal()
            keys.add(key)
            token = tokens.issue(uuid4(), SecretStr(key), now=datetime.now(UTC))
            for each in others:
                with suppress(queue.Full):
                    each.put_nowait(token)
            with suppress(queue.Empty):
                while True:
                    _verify(inboxes[number].get_nowait(), find_keys(client.secrets), tally)
            if tally.verified and not is_ready:
                ready.release()
                is_ready = True
    tally.keys = len(keys)
    results.put(tally)
    for each in inboxes:
        each.cancel_join_thread()


def _verify(token: str, keys: Keys, tally: Tally) -> None:
    try:
        tokens.verify(token, (SecretStr(key.reveal()) for key in keys))
    except tokens.InvalidToken:
        tally.failed += 1
    else:
        tally.verified += 1


def without_announcement(declaration: Declaration) -> Declaration:
    """Return the declaration of the store before keys were announced."""
    secrets = declaration.services["gaara-store"].secrets
    changed = secrets[signing.NAME].model_copy(update={"announce_for": None})
    return change_service(declaration, "gaara-store", secrets={**secrets, signing.NAME: changed})


@contextmanager
def signing_key_rotation(
    deployment: Deployment, declaration: Declaration, clock: Callable[[], datetime]
) -> Iterator[Rotation]:
    """Yield the rotation of the store's key, with the rights of the rotator.

    Afterwards the first value is current again, and there is no record, because other tests share
    the deployment.
    """
    first = deployment.operator.get(PATH)["data"]["data"]
    items = declared_items(declaration, Environment.DEV, "gaara-store")
    item = next(each for each in items if (each.kind, each.name) == (Kind.SECRET, signing.NAME))
    try:
        with (
            deployment.token("strongroom-rotator") as token,
            Session(deployment.settings.vault_addr, StaticToken(token)) as session,
        ):
            yield build_rotation(dev_context(declaration, session, clock), item)
    finally:
        deployment.operator.post(PATH, {"data": first})
        deployment.operator.delete(RECORD)


def rotate(rotation: Rotation, times: int) -> None:
    for _ in range(times):
        wait_until(lambda: rotation.run().record.step.is_end, "the end of a rotation", 60)


def rotate_under_load(
    deployment: Deployment,
    declaration: Declaration,
    *,
    processes: int,
    rotations: int,
    scale: int,
    find_keys: FindKeys = all_keys,
) -> list[Tally]:
    """Rotate the store's key while processes sign and verify, and return what each has done."""
    settings = deployment.settings
    with (
        running_peers(settings, processes, scale, find_keys) as peers,
        signing_key_rotation(deployment, declaration, peers.clock) as rotation,
    ):
        rotate(rotation, rotations)
        return peers.end()
