"""Rotation of the store's signing key under load, with an agent and a process held back."""

from __future__ import annotations

import random
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.names import VALUE_KEY, Environment
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from examples.gaara_store import signing, tokens
from tests.support.models.rotations import LogReader, build_rotation, dev_context
from tests.support.processes.pause import paused
from tests.support.processes.running_store import Person, RunningStore, wait_until
from tests.support.servers.deployment import Deployment
from vault.declare.load import load
from vault.rotation.inventory import Item, declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.record import Step
from vault.rotation.rotation import Rotation

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.alone]

DEV = Environment.DEV
PATH = "secret/data/gaara-store/dev/jwt-secret"
CUSTOMERS, THREADS = 4, 4
LOGINS_EACH = 6  # the store allows ten within five minutes


def find_item() -> Item:
    items = declared_items(load(), DEV, "gaara-store")
    (found,) = (each for each in items if (each.kind, each.name) == (Kind.SECRET, signing.NAME))
    return found


@dataclass
class Load:
    """Customers who log in and use their tokens, at two processes of the store.

    A token is valid for its lifetime on the clock of the rotation. That clock jumps over the grace
    period, so that a token from before is no longer used after it.
    """

    stores: tuple[RunningStore, RunningStore]
    customers: list[Person]
    offset: timedelta = timedelta()
    issued: list[tuple[datetime, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"login": 0, "me": 0})
    stop: threading.Event = field(default_factory=threading.Event)

    def now(self) -> datetime:
        """Return the time of the rotation."""
        return datetime.now(UTC) + self.offset

    def is_valid(self, issued: datetime) -> bool:
        return self.now() < issued + tokens.LIFETIME

    def log_in(self, customer: Person) -> str:
        issued = self.now()
        token = random.choice(self.stores).login(customer)  # noqa: S311
        self.issued.append((issued, token))
        self.counts["login"] += 1
        return token

    def use_token(self) -> None:
        issued, token = random.choice(self.issued)  # noqa: S311 - which one is no secret
        if self.is_valid(issued):
            answer = random.choice(self.stores).me(token)  # noqa: S311
            if answer.status_code != 200 and self.is_valid(issued):
                self.refused.append(f"{answer.status_code} for a token of {issued}")
            self.counts["me"] += 1

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve the load until the block ends."""
        threads = [threading.Thread(target=self._run, args=(n,)) for n in range(THREADS)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self.stop.set()
            for each in threads:
                each.join(30)

    def wait_for(self, kind: str, more: int) -> None:
        """Wait until *more* requests of a kind have succeeded."""
        wanted = self.counts[kind] + more
        wait_until(lambda: self.refused or self.counts[kind] >= wanted, f"{more} of {kind}", 30)

    def _run(self, number: int) -> None:
        mine = self.customers[number::THREADS] * LOGINS_EACH
        try:
            while not self.stop.is_set():
                if mine and random.random() < 0.1:  # noqa: S311
                    self.log_in(mine.pop())
                self.use_token()
        except Exception as error:  # noqa: BLE001 - the test reports it
            self.refused.append(repr(error))


@pytest.fixture
def load_on_stores(deployment: Deployment, tmp_path: Path) -> Iterator[Load]:
    """Yield the load on a store that the agent delivers to, and on one with a file of its own."""
    own = tmp_path / "app.yaml"
    shutil.copy(deployment.layout.config("gaara-store"), own)
    ports = free_ports(2)
    variables = (deployment.variables, {**deployment.variables, "STRONGROOM_CONFIG": str(own)})
    stores = tuple(
        RunningStore(each, port, tmp_path / f"{port}.log")
        for each, port in zip(variables, ports, strict=True)
    )
    with ExitStack() as started:
        for store in stores:
            store.start()
            started.callback(store.stop)
        names = [f"user-{secrets.token_hex(4)}" for _ in range(CUSTOMERS)]
        people = [
            Person(name, "sand-and-more-sand", f"{name}@suna.example", "+81 3 1234", "Suna")
            for name in names
        ]
        load_ = Load((stores[0], stores[1]), people)
        for person in people:
            stores[0].register(person)
            load_.log_in(person)
        yield load_


@pytest.fixture
def rotation(deployment: Deployment, load_on_stores: Load) -> Iterator[Rotation]:
    """Yield the rotation of the declared secret with the rights of the rotator only.

    Afterwards the first value is current again, and there is no record, because other tests share
    the deployment.
    """
    first = deployment.operator.get(PATH)["data"]["data"]
    with (
        deployment.token("strongroom-rotator") as token,
        Session(deployment.settings.vault_addr, StaticToken(token)) as session,
    ):
        context = dev_context(deployment.local.declaration, session, load_on_stores.now)
        read_log = LogReader(deployment.layout.audit_logs)
        wait_until(lambda: read_log([PATH]).tokens, "a read by the agent, which reads all the time")
        context = replace(context, read_log=read_log)
        yield build_rotation(context, find_item())
    deployment.operator.post(PATH, {"data": first})
    record = "secret/metadata/_strongroom/dev/rotation/secret/gaara-store/dev/jwt-secret"
    deployment.operator.delete(record)


@contextmanager
def held_back(deployment: Deployment) -> Iterator[None]:
    """Hold the store's agent back until the block ends."""
    needle = str(deployment.layout.root / "agent" / "gaara-store").encode()
    pids = [
        int(each.parent.name)
        for each in Path("/proc").glob("[0-9]*/cmdline")
        if (command := read_command(each)).startswith(b"bao\0") or b"/bao\0agent" in command
        if needle in command
    ]
    assert len(pids) == 1
    with paused(pids[0]):
        yield


def read_command(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def signs_with_new_key(store: RunningStore) -> bool:
    """Return whether *store* has reloaded its config with another signing key."""
    return re.search(r"now in effect; changed: .*\bjwt\.secret\b", store.log) is not None


def test_store_and_declaration_agree_on_the_grace_of_the_signing_key() -> None:
    declaration = load()
    source = declaration.services["gaara-store"].secrets[signing.NAME]
    assert source.retire_after == signing.GRACE.total_seconds()  # type: ignore[union-attr] # generated
    margin = (signing.GRACE - tokens.LIFETIME).total_seconds()
    for environment in declaration.environments.values():
        assert environment.agent.render_interval <= margin / 2


def test_signing_key_rotated_under_load_refuses_no_valid_token(
    deployment: Deployment, rotation: Rotation, load_on_stores: Load, tmp_path: Path
) -> None:
    customers = load_on_stores
    assert rotation.run().announced_until is not None
    customers.offset += timedelta(minutes=71)
    _, _, _, old = [customers.log_in(customer) for customer in customers.customers]
    with customers.running():
        customers.wait_for("me", 20)
        with held_back(deployment):
            held = rotation.run()
            customers.wait_for("me", 40)
        assert held.record.step is Step.CONSUMERS
        assert held.evidence is not None
        assert any("gaara-store-dev: read version" in str(each) for each in held.evidence.waiting)
        wait_until(lambda: not rotation.run().evidence.waiting, "the agent's read")  # type: ignore[union-attr] # it waits
        moved = rotation.run().evidence
        assert moved is not None
        assert {each.identity for each in moved.moved} >= {"gaara-store-dev"}
        customers.wait_for("me", 40)  # tokens of both keys, at a process with the old file, too
        delivered = deployment.layout.config("gaara-store")
        new = deployment.operator.get(PATH)["data"]["data"][VALUE_KEY]
        wait_until(lambda: new in delivered.read_text(), "the delivery, which follows the read", 30)
        shutil.copy(delivered, tmp_path / "app.yaml")
        wait_until(lambda: all(map(signs_with_new_key, customers.stores)), "the new key's use", 30)
        for customer in customers.customers:
            customers.log_in(customer)
        # The log of this test has not all reads, so that the time bound comes before the grace.
        customers.offset += timedelta(hours=2) + signing.GRACE
        late = [customers.log_in(customer) for customer in customers.customers]
        done = rotation.run()
        customers.wait_for("me", 40)
    print(customers.counts, done.record, done.evidence)  # noqa: T201
    assert customers.refused == []
    assert done.record.step is Step.DONE
    versions = deployment.operator.get(PATH.replace("/data/", "/metadata/"))["data"]["versions"]
    assert versions[done.record.old]["destroyed"]
    fresh = customers.stores[1]
    fresh.stop()
    fresh.start()
    assert fresh.me(old).status_code == 401
    assert [fresh.me(each).status_code for each in late] == [200] * CUSTOMERS
