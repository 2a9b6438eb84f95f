"""Rotation of the user that manages a database, on a real server and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError, ServerFault
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.support.databases.database import Database
from tests.support.models.rotations import (
    EACH_STATE,
    build_rotation,
    dev_context,
    stop_in_each_state,
)
from tests.support.processes.killed_requests import kill_after_each_request
from tests.support.servers.deployment import Deployment
from vault.reconcile.planning.build import build_plan
from vault.rotation.consumers.evidence import Proof
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item, Kind, declared_items
from vault.rotation.ledger.ledger import State, build_ledger
from vault.rotation.record import Record, Step
from vault.rotation.rotation import Result, Rotation, UndoImpossible
from vault.rotation.server_ages import read_ages

pytestmark = pytest.mark.requires("embedded")

NAME = "gaara-store-dev"


@dataclass
class Site:
    """Rotations of the store's root user, with a token that has the rotator's policy only."""

    deployment: Deployment
    database: Database
    token: Secret
    now: datetime

    @property
    def address(self) -> str:
        return self.deployment.settings.vault_addr

    @property
    def item(self) -> Item:
        items = declared_items(self.deployment.local.declaration, Environment.DEV)
        return next(item for item in items if item.kind is Kind.ROOT_USER)

    def context(self, session: Session) -> RotationContext:
        return dev_context(self.deployment.local.declaration, session, lambda: self.now)

    def rotation(self, session: Session) -> Rotation:
        context = self.context(session)
        return build_rotation(context, self.item)

    def run(self) -> Result:
        with Session(self.address, StaticToken(self.token)) as session:
            return self.rotation(session).run()

    def verifier(self) -> str:
        """Return what the database stores of the user's password."""
        query = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
        with self.database.accounts.superuser.connect() as superuser:
            row = superuser.execute(query, [self.item.name]).fetchone()
        assert row is not None
        return str(row[0])

    def lease(self) -> None:
        """Lease a user and log in as it, which proves that the server manages the database."""
        found = self.deployment.operator.get(f"database/creds/{NAME}")
        user = found["data"]
        port, name = self.deployment.ports.database, self.database.accounts.roles.database
        with psycopg.connect(
            host="127.0.0.1",
            port=port,
            dbname=name,
            user=user["username"],
            password=user["password"],
        ):
            pass
        self.deployment.operator.post("sys/leases/revoke", {"lease_id": found["lease_id"]})


@pytest.fixture
def site(deployment: Deployment, database: Database) -> Iterator[Site]:
    with deployment.token("strongroom-rotator") as token:
        yield Site(deployment, database, token, datetime.now(UTC))
    deployment.operator.delete(f"secret/metadata/_strongroom/dev/rotation/root-user/{NAME}")


def test_rotation_sets_a_password_that_only_the_server_knows(site: Site) -> None:
    before = site.verifier()
    result = site.run()
    assert (result.record.step, result.record.ended) == (Step.DONE, site.now)
    assert result.evidence is not None
    assert result.evidence.proof is Proof.NO_CONSUMER
    assert site.verifier() != before
    site.lease()
    local, operator = site.deployment.local, site.deployment.operator
    assert build_plan(operator, local.desired(local.inputs())).changes == ()
    ages = partial(read_ages, operator, mounts=site.context(operator).mounts, now=site.now)
    rows = build_ledger([site.item], ages, None, site.now, lambda _: result.record)
    assert [(row.age.rotated, row.state) for row in rows] == [(site.now, State.OK)]


def test_rotation_killed_after_each_request_is_ended_by_the_next_run(site: Site) -> None:
    def check(_count: int) -> None:
        assert site.run().record.step is Step.DONE
        site.now += timedelta(hours=1)

    kills = kill_after_each_request(
        site.address, site.token, lambda session: site.rotation(session).run(), check
    )
    assert kills >= len(Step)
    site.lease()


@EACH_STATE
def test_emergency_in_any_state_replaces_the_password(site: Site, *, is_whole: bool) -> None:
    with Session(site.address, StaticToken(site.token)) as session:
        for state in stop_in_each_state(partial(site.rotation, session), is_whole=is_whole):
            leaked = site.verifier()
            result = site.rotation(session).run(is_compromised=True)
            assert result.record.step is Step.DONE, state
            assert site.verifier() != leaked, state


def test_rotation_without_the_database_fails_once_and_continues_later(site: Site) -> None:
    before, path = site.verifier(), f"database/rotate-root/{NAME}"
    sent = len(site.deployment.audit_lines(path))
    site.deployment.kill("database")
    try:
        with pytest.raises(ServerFault, match="rotate-root"):
            site.run()
    finally:
        site.deployment.revive()
    assert len(site.deployment.audit_lines(path)) == sent + 1
    assert site.verifier() == before
    assert site.run().record.step is Step.DONE
    assert site.verifier() != before
    site.lease()


def test_password_that_the_database_rejects_is_reported(site: Site) -> None:
    session = site.deployment.operator
    rotation = site.rotation(session)
    rotation.store.write(session, Record("id", Step.TEST, site.now, "old", "new"))
    with site.database.accounts.superuser.connect() as superuser:
        kept = site.verifier()
        superuser.execute(f"ALTER ROLE {site.item.name} PASSWORD 'another'".encode())
        try:
            with pytest.raises(ServerFault, match="password authentication failed"):
                site.run()
        finally:
            superuser.execute(f"ALTER ROLE {site.item.name} PASSWORD '{kept}'".encode())
    assert site.run().record.step is Step.DONE


def test_undo_is_impossible_and_the_rotation_can_be_continued(site: Site) -> None:
    session = site.deployment.operator
    rotation = site.rotation(session)
    rotation.store.write(session, Record("id", Step.TEST, site.now, "old", "new"))
    with pytest.raises(UndoImpossible, match="cannot be undone, because no one knows"):
        rotation.undo()
    assert issubclass(UndoImpossible, ConfigurationError)
    assert site.run().record.step is Step.DONE
