"""Engines with leased credentials, from the first connection to the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from app_integration._internal import unclosed
from app_integration.client import Client
from app_integration.database import LeasedCredentials, leased_engine
from app_integration.database.lease import RETRY_INTERVAL
from app_integration.errors import Unreachable
from app_integration.settings import Limits
from tests.support.clock import Clock
from tests.support.databases.database import ROLE, Database, eventually, leases
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

WHO = text("SELECT session_user, current_user")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(service: Client, clock: Clock) -> Iterator[LeasedCredentials]:
    """Yield a provider on the test's clock, without a background thread."""
    provider = LeasedCredentials(
        service.session, ROLE, clock=clock, jitter=lambda: 0.0, background=False
    )
    yield provider
    provider.close()


@pytest.fixture
def engine(service: Client, users: LeasedCredentials) -> Iterator[Engine]:
    engine = leased_engine(users, service.secrets.get("database-url"))
    yield engine
    engine.dispose()


def session_user(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(WHO).one()[0])


def renewal_time(users: LeasedCredentials) -> float:
    lease = users.current()
    return lease.issued_at + lease.ttl * Limits().lease_rotate_at


def test_connection_uses_a_leased_user_with_the_owner_role(service: Client) -> None:
    with service.databases.engine(None, None).connect() as connection:
        user, acting = connection.execute(WHO).one()
    assert user.startswith("v-approle-gaara-st-")
    assert acting == "gaara_store_owner"


def test_table_of_a_leased_user_survives_its_revocation(
    deployment: Deployment, database: Database
) -> None:
    first = Client(deployment.settings)
    with first.databases.engine(None, None).begin() as connection:
        user = connection.execute(WHO).one()[0]
        connection.execute(text("CREATE TABLE notes (text text)"))
    first.close()
    assert eventually(lambda: user not in database.leased_users())
    second = Client(deployment.settings)
    with second.databases.engine(None, None).begin() as connection:
        owner = text("SELECT tableowner FROM pg_tables WHERE tablename = 'notes'")
        assert connection.execute(owner).scalar() == "gaara_store_owner"
        connection.execute(text("DROP TABLE notes"))
    second.close()


def test_engine_after_a_revocation_reconnects_as_another_user(
    deployment: Deployment, service: Client
) -> None:
    engine = service.databases.engine(None, None)
    with engine.connect() as connection:
        before = connection.execute(WHO).one()[0]
        deployment.operator.post(f"sys/leases/revoke-prefix/database/creds/{ROLE}", {})
        with pytest.raises(OperationalError):
            connection.execute(WHO)
    assert session_user(engine) != before


def test_engines_of_one_process_share_one_lease(service: Client) -> None:
    assert session_user(service.databases.engine(None, None)) == session_user(
        service.databases.engine(None, None)
    )


def test_maintain_at_renewal_time_extends_lease_and_password(
    users: LeasedCredentials, engine: Engine, clock: Clock, database: Database
) -> None:
    before, user = users.current(), session_user(engine)
    database.expire_password_soon(user)
    first_end = database.password_valid_until(user)
    clock.now = renewal_time(users) - 1
    users.maintain()
    assert users.current() is before
    clock.now += 1
    users.maintain()
    assert users.current().issued_at == clock.now
    assert session_user(engine) == user
    assert (
        database.password_valid_until(user) > first_end
    )  # otherwise logins would end before the lease


def test_maintain_after_a_renewal_cut_short_replaces_the_lease(
    users: LeasedCredentials, engine: Engine, clock: Clock, deployment: Deployment
) -> None:
    with leases(deployment.operator, ttl=60, max_ttl=60):
        first = session_user(engine)
    with leases(deployment.operator, ttl=30, max_ttl=30):
        clock.now = renewal_time(users)
        users.maintain()
        assert session_user(engine) != first


def test_replaced_lease_is_revoked_after_its_last_connection_closes(
    users: LeasedCredentials, engine: Engine, database: Database
) -> None:
    with engine.connect() as used:
        first = used.execute(WHO).one()[0]
        with engine.connect():
            pass  # leaves an idle connection
        assert users.open_connections(first) == 2
        second = users.rotate().username
        users.maintain()
        assert users.open_connections(first) == 1  # the idle one was closed by the rotation
        assert used.execute(WHO).one()[0] == first
        assert {first, second} <= database.leased_users()
        assert session_user(engine) == second
    assert users.open_connections(first) == 0
    users.maintain()
    assert eventually(lambda: first not in database.leased_users())
    assert second in database.leased_users()


def test_replaced_lease_with_a_connect_in_progress_is_not_revoked(
    users: LeasedCredentials, engine: Engine
) -> None:
    def rotate_while_connecting(_credentials: object) -> object:
        users.rotate()
        users.maintain()
        with engine.connect() as other:  # works, because the old lease is not revoked
            return other.connection.driver_connection

    first = users.current().username
    users.connect(rotate_while_connecting)
    users.maintain()
    assert users.current().username != first


def test_maintain_after_a_new_login_replaces_the_lease(
    users: LeasedCredentials, engine: Engine, service: Client, deployment: Deployment
) -> None:
    first = session_user(engine)
    accessor = service.session.get("auth/token/lookup-self")["data"]["accessor"]
    deployment.operator.post("auth/token/revoke-accessor", {"accessor": accessor})
    service.session.get("auth/token/lookup-self")  # logs in again
    users.maintain()
    assert session_user(engine) != first


def test_lease_during_an_outage_is_used_until_it_expires(
    users: LeasedCredentials, service: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = users.current()
    attempts: list[str] = []

    def unavailable(path: str, _body: object = None) -> None:
        attempts.append(path)
        raise Unreachable("the server is unavailable")

    monkeypatch.setattr(service.session, "get", unavailable)
    monkeypatch.setattr(service.session, "post", unavailable)
    clock.now = lease.ttl * 0.9
    interval = [users.maintain() for _ in range(5)][-1]
    assert len(attempts) == 1  # because an attempt may take a whole deadline
    assert 0 < interval <= RETRY_INTERVAL
    assert users.current() == lease
    assert users.is_current(lease.username)
    clock.now += RETRY_INTERVAL
    users.maintain()
    assert len(attempts) == 2
    clock.now = lease.ttl
    assert not users.is_current(lease.username)  # nor is a pooled connection used
    with pytest.raises(Unreachable):
        users.current()


def test_unclosed_lease_warns(service: Client) -> None:
    users = LeasedCredentials(service.session, ROLE)
    users.current()
    with pytest.warns(ResourceWarning, match="1 leased database users of gaara-store-dev"):
        unclosed.warn_if_unclosed(users)
    users.close()
    unclosed.warn_if_unclosed(users)  # a warning would fail the test


def test_repr_of_lease_and_engine_url_hides_the_password(
    users: LeasedCredentials, engine: Engine
) -> None:
    lease = users.current()
    assert lease.password.reveal() not in repr(lease)
    assert lease.password.reveal() not in repr(engine.url)
