"""Rotation of the user that manages a database, on a real server and a real PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError, ServerFault
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.integration.rotation.site import RotatedSite
from tests.support.databases.database import Database
from tests.support.models.rotations import (
    build_rotation,
    dev_context,
)
from tests.support.servers.deployment import Deployment
from vault.reconcile.planning.build import build_plan
from vault.rotation.consumers.evidence_type import Proof
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item, declared_items
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, Step
from vault.rotation.rotation import Result, Rotation, UndoImpossible

pytestmark = pytest.mark.requires("embedded")

NAME = "gaara-store-dev"


@dataclass
class Site(RotatedSite):
    """Rotations of the store's root user, with a token that has the rotator's policy only."""

    deployment: Deployment
    database: Database
    token: Secret
    now: datetime
    waits = goes_back = False  # because no one else knows the password
    created_each = None

    @property
    def address(self) -> str:
        return self.deployment.settings.vault_addr

    @property
    def item(self) -> Item:
        items = declared_items(self.deployment.local.declaration, Environment.DEV)
        return next(item for item in items if item.kind is Kind.ROOT_USER)

    def context(self, session: Session) -> RotationContext:
        return dev_context(self.deployment.local.declaration, session, lambda: self.now)

    def rotation(self, session: Session | None = None) -> Rotation:
        context = self.context(session or self.deployment.operator)
        return build_rotation(context, self.item)

    def run(self) -> Result:
        with Session(self.address, StaticToken(self.token)) as session:
            return self.rotation(session).run()

    def current(self) -> str:
        return self.verifier()

    def is_accepted(self, value: str) -> bool:
        return self.verifier() == value

    def is_alone(self) -> bool:
        self.lease()  # the server manages the database with it
        return True

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
def site(root_user_site: Site) -> Site:
    return root_user_site


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
