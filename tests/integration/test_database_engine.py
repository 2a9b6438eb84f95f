from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app_integration.database import RETRY_PAUSE, LeasedUsers, leased_engine
from app_integration.errors import Unreachable
from app_integration.settings import Limits
from app_integration.wiring import Wiring
from tests.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

WHO = text("SELECT session_user, current_user")


def test_a_connection_is_a_leased_user_acting_as_the_owner(service: Wiring) -> None:
    with service.engine(None, None).connect() as connection:
        user, acting = connection.execute(WHO).one()
    assert user.startswith("v-approle-gaara-st-")
    assert acting == "gaara_store_owner"


def test_what_a_leased_user_makes_outlives_it(deployment: Deployment) -> None:
    first = Wiring(deployment.settings)
    with first.engine(None, None).begin() as connection:
        user = connection.execute(WHO).one()[0]
        connection.execute(text("CREATE TABLE notes (text text)"))
    first.close()
    second = Wiring(deployment.settings)
    with second.engine(None, None).begin() as connection:
        owner = text("SELECT tableowner FROM pg_tables WHERE tablename = 'notes'")
        assert connection.execute(owner).scalar() == "gaara_store_owner"
        gone = text("SELECT count(*) FROM pg_roles WHERE rolname = :user")
        assert connection.execute(gone, {"user": user}).scalar() == 0
        connection.execute(text("DROP TABLE notes"))
    second.close()


def test_a_revoked_user_loses_its_session_and_the_engine_goes_on(
    deployment: Deployment, service: Wiring
) -> None:
    engine = service.engine(None, None)
    with engine.connect() as connection:
        before = connection.execute(WHO).one()[0]
        deployment.operator.post("sys/leases/revoke-prefix/database/creds/gaara-store-dev", {})
        with pytest.raises(OperationalError):
            connection.execute(WHO)
    with engine.connect() as connection:
        assert connection.execute(WHO).one()[0] != before


def test_a_due_lease_is_followed_by_another_at_the_next_checkout(service: Wiring) -> None:
    now = [0.0]
    users = LeasedUsers(service.session, "gaara-store-dev", clock=lambda: now[0])
    engine = leased_engine(users, service.secrets.get("database-url"))
    with engine.connect() as connection:
        first = connection.execute(WHO).one()[0]
    with engine.connect() as connection:
        assert connection.execute(WHO).one()[0] == first
    now[0] += users.current().ttl * Limits().lease_rotate_at
    with engine.connect() as connection:
        assert connection.execute(WHO).one()[0] != first
    engine.dispose()
    users.close()


def test_while_the_server_is_away_a_due_lease_serves_to_its_end_and_no_longer(
    service: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    users = LeasedUsers(service.session, "gaara-store-dev", clock=lambda: now[0])
    lease = users.current()

    attempts: list[str] = []

    def away(path: str) -> None:
        attempts.append(path)
        raise Unreachable("the server is away")

    monkeypatch.setattr(service.session, "get", away)
    now[0] = lease.ttl * 0.9
    assert [users.current() for _ in range(5)] == [lease] * 5
    assert len(attempts) == 1  # each takes a whole deadline: not one for every checkout
    now[0] += RETRY_PAUSE
    assert users.current() == lease
    assert len(attempts) == 2
    now[0] = lease.ttl
    with pytest.raises(Unreachable):
        users.current()
    monkeypatch.undo()
    users.drop(lease)
    users.close()


def test_the_password_is_shown_by_neither_lease_nor_engine(service: Wiring) -> None:
    users = LeasedUsers(service.session, "gaara-store-dev")
    lease = users.current()
    engine = leased_engine(users, service.secrets.get("database-url"))
    assert lease.password.reveal() not in repr(lease)
    assert lease.password.reveal() not in repr(engine.url)
    assert replace(lease, ttl=1.0).password == lease.password
    users.close()
