"""Engines under leased users: a lease's life, from the first connection to the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from app_integration._internal import unclosed
from app_integration.client import Client
from app_integration.database import LeasedCredentials, leased_engine
from app_integration.database.lease import RETRY_PAUSE
from app_integration.errors import Unreachable
from app_integration.settings import Limits
from tests.support.databases.database import ROLE, Database, eventually, leases
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

WHO = text("SELECT session_user, current_user")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(service: Client, clock: Clock) -> Iterator[LeasedCredentials]:
    """Leases on a clock of the test's own; nothing happens in the background."""
    held = LeasedCredentials(
        service.session, ROLE, clock=clock, chance=lambda: 0.0, background=False
    )
    yield held
    held.close()


@pytest.fixture
def engine(service: Client, users: LeasedCredentials) -> Iterator[Engine]:
    made = leased_engine(users, service.secrets.get("database-url"))
    yield made
    made.dispose()


def who(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(WHO).one()[0])


def due(users: LeasedCredentials) -> float:
    lease = users.current()
    return lease.issued_at + lease.ttl * Limits().lease_rotate_at


def test_a_connection_is_a_leased_user_acting_as_the_owner(service: Client) -> None:
    with service.engine(None, None).connect() as connection:
        user, acting = connection.execute(WHO).one()
    assert user.startswith("v-approle-gaara-st-")
    assert acting == "gaara_store_owner"


def test_what_a_leased_user_makes_outlives_it(deployment: Deployment, database: Database) -> None:
    first = Client(deployment.settings)
    with first.engine(None, None).begin() as connection:
        user = connection.execute(WHO).one()[0]
        connection.execute(text("CREATE TABLE notes (text text)"))
    first.close()
    assert eventually(lambda: user not in database.leased())
    second = Client(deployment.settings)
    with second.engine(None, None).begin() as connection:
        owner = text("SELECT tableowner FROM pg_tables WHERE tablename = 'notes'")
        assert connection.execute(owner).scalar() == "gaara_store_owner"
        connection.execute(text("DROP TABLE notes"))
    second.close()


def test_a_revoked_user_loses_its_session_and_the_engine_goes_on(
    deployment: Deployment, service: Client
) -> None:
    engine = service.engine(None, None)
    with engine.connect() as connection:
        before = connection.execute(WHO).one()[0]
        deployment.operator.post(f"sys/leases/revoke-prefix/database/creds/{ROLE}", {})
        with pytest.raises(OperationalError):
            connection.execute(WHO)
    assert who(engine) != before


def test_engines_of_one_process_share_one_lease(service: Client) -> None:
    assert who(service.engine(None, None)) == who(service.engine(None, None))


def test_a_due_lease_is_renewed_and_its_user_s_password_with_it(
    users: LeasedCredentials, engine: Engine, clock: Clock, database: Database
) -> None:
    before, user = users.current(), who(engine)
    database.shorten(user)
    first_end = database.valid_until(user)
    clock.now = due(users) - 1
    users.maintain()
    assert users.current() is before
    clock.now += 1
    users.maintain()
    assert users.current().issued_at == clock.now
    assert who(engine) == user
    assert database.valid_until(user) > first_end  # or logins would end before the lease


def test_a_renewal_that_is_cut_short_is_followed_by_another_user(
    users: LeasedCredentials, engine: Engine, clock: Clock, deployment: Deployment
) -> None:
    with leases(deployment.operator, ttl=60, max_ttl=60):
        first = who(engine)
    with leases(deployment.operator, ttl=30, max_ttl=30):
        clock.now = due(users)
        users.maintain()
        assert who(engine) != first


def test_an_old_user_is_given_back_when_its_last_connection_returns(
    users: LeasedCredentials, engine: Engine, database: Database
) -> None:
    with engine.connect() as used:
        first = used.execute(WHO).one()[0]
        with engine.connect():
            pass  # leaves an idle one
        assert users.open_connections(first) == 2
        second = users.rotate().username
        users.maintain()
        assert users.open_connections(first) == 1  # the idle one was closed at once
        assert used.execute(WHO).one()[0] == first
        assert {first, second} <= database.leased()
        assert who(engine) == second
    assert users.open_connections(first) == 0
    users.maintain()
    assert eventually(lambda: first not in database.leased())
    assert second in database.leased()


def test_a_user_that_somebody_is_about_to_connect_as_is_not_given_back(
    users: LeasedCredentials, engine: Engine
) -> None:
    def rotate_meanwhile(_login: object) -> object:
        users.rotate()
        users.maintain()
        with engine.connect() as other:  # the old one still works: it wasn't given back
            return other.connection.driver_connection

    first = users.current().username
    users.connect(rotate_meanwhile)
    users.maintain()
    assert users.current().username != first


def test_leases_of_a_token_that_was_replaced_are_followed(
    users: LeasedCredentials, engine: Engine, service: Client, deployment: Deployment
) -> None:
    first = who(engine)
    accessor = service.session.get("auth/token/lookup-self")["data"]["accessor"]
    deployment.operator.post("auth/token/revoke-accessor", {"accessor": accessor})
    service.session.get("auth/token/lookup-self")  # logs in again
    users.maintain()
    assert who(engine) != first


def test_while_the_server_is_away_a_due_lease_serves_to_its_end_and_no_longer(
    users: LeasedCredentials, service: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = users.current()
    attempts: list[str] = []

    def away(path: str, _body: object = None) -> None:
        attempts.append(path)
        raise Unreachable("the server is away")

    monkeypatch.setattr(service.session, "get", away)
    monkeypatch.setattr(service.session, "post", away)
    clock.now = lease.ttl * 0.9
    pause = [users.maintain() for _ in range(5)][-1]
    assert len(attempts) == 1  # an attempt may take a whole deadline
    assert 0 < pause <= RETRY_PAUSE
    assert users.current() == lease
    assert users.is_current(lease.username)
    clock.now += RETRY_PAUSE
    users.maintain()
    assert len(attempts) == 2
    clock.now = lease.ttl
    assert not users.is_current(lease.username)  # nor is a pooled connection used on
    with pytest.raises(Unreachable):
        users.current()


def test_a_lease_left_open_is_told(service: Client) -> None:
    users = LeasedCredentials(service.session, ROLE)
    users.current()
    with pytest.warns(ResourceWarning, match="1 leased database users of gaara-store-dev"):
        unclosed.warn_if_unclosed(users)
    users.close()
    unclosed.warn_if_unclosed(users)  # a warning would fail the test


def test_the_password_is_shown_by_neither_lease_nor_engine(
    users: LeasedCredentials, engine: Engine
) -> None:
    lease = users.current()
    assert lease.password.reveal() not in repr(lease)
    assert lease.password.reveal() not in repr(engine.url)
