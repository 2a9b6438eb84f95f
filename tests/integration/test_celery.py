"""Celery on leased Redis users: no task and no result is lost while they are replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
import redis
from celery import Celery
from celery.result import AsyncResult
from kombu import Consumer, Exchange, Queue
from kombu.transport import redis as redis_transport
from ruamel.yaml import YAML

from app_integration import default_client
from app_integration.database import LeasedCredentials
from app_integration.errors import ConfigurationError, Unreachable
from app_integration.integrations.celery import use_leased_redis
from app_integration.names import Environment, Scope
from app_integration.settings import Settings
from tests.support.databases.celery_load import RULES, RULES_OF_3, celery_load
from tests.support.databases.database import eventually
from tests.support.databases.redis_site import RedisSite, only_current_user_exists, redis_site
from tests.support.servers.dev_server import root
from vault.declare.schema.redis import RedisRole

pytestmark = [
    pytest.mark.requires("embedded"),
    # redis-py warns of a command that Celery sends.
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]

NIGHTLY = (pytest.mark.nightly, pytest.mark.timeout(3600))
ROOT = Path(__file__).parents[2]
TASK = "5f4dcc3b"
USERS = 6  # of all processes, in addition to their first
EXECUTIONS = 50


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    with redis_site(tmp_path_factory.mktemp("celery")) as running:
        yield running


@pytest.fixture
def app(site: RedisSite) -> Iterator[Celery]:
    site.admin.flushall()
    site.configure_role(json.dumps(["~visits*", "&/0.visits_news", *RULES]))
    settings = Settings(Scope("shop", Environment.DEV), site.address)
    default_client.configure(settings, session=root(site.address))
    app = Celery("visits", set_as_current=False)
    use_leased_redis(app, url=f"redis://127.0.0.1:{site.valkey.port}/0")
    yield app
    app.close()
    default_client.close()


@pytest.fixture
def users(app: Celery) -> LeasedCredentials:  # noqa: ARG001 (configures the client)
    found = default_client.get_default_client().databases.find_provider(is_redis=True)
    assert isinstance(found, LeasedCredentials)
    return found


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=NIGHTLY)])
def test_worker_with_processes_goes_on_after_revocations_and_restarts(
    site: RedisSite, tmp_path: Path, rounds: int, record_property: Callable[[str, object], None]
) -> None:
    site.admin.flushall()
    with celery_load(site, tmp_path, "prefork") as load:
        with load.producer() as found:
            for _ in range(rounds):
                load.wait_for_executions(EXECUTIONS)
                site.revoke_all()
                load.wait_for_executions(EXECUTIONS)
                site.restart()
            load.wait_for_executions(EXECUTIONS)
        load.check(found, breaks=2 * rounds)
    record_property("tasks", len(found["accepted"]))
    record_property("repeated", sum(count > 1 for count in load.executed().values()))


@pytest.mark.parametrize("leased", [USERS, pytest.param(100, marks=NIGHTLY)])
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_rotations_lose_and_repeat_no_task(
    site: RedisSite,
    tmp_path: Path,
    pool: str,
    leased: int,
    record_property: Callable[[str, object], None],
) -> None:
    site.admin.flushall()
    with celery_load(site, tmp_path, pool) as load:
        with load.producer() as found:
            load.wait_for_executions(EXECUTIONS)
            load.wait_for_users(leased)
            load.wait_for_executions(EXECUTIONS)
        load.check(found)
    record_property("tasks", len(found["accepted"]))
    assert found["failures"] == []
    assert max(load.executed().values()) == 1


def test_another_database_needs_its_number_in_the_rules_and_select(
    site: RedisSite, tmp_path: Path
) -> None:
    site.admin.flushall()
    with celery_load(site, tmp_path, "threads", RULES_OF_3, database=3) as load:
        with load.producer() as found:
            load.wait_for_executions(EXECUTIONS)
            load.wait_for_users(2)
            load.wait_for_executions(EXECUTIONS)
        load.check(found)
        assert "NoPermissionError" not in load.log()
    assert found["failures"] == []
    assert site.admin.keys() == []  # of database 0


def test_connection_that_waits_for_a_message_is_replaced_after_its_reply(
    site: RedisSite, app: Celery, users: LeasedCredentials
) -> None:
    with app.connection_for_read() as connection, connection.SimpleQueue("visits") as queue:
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.1)  # BRPOP waits for a second, and so is in progress
        before = users.current().username
        users.rotate()
        users.maintain()
        assert before in site.leased_users()
        queue.put("one")
        message = queue.get(timeout=5)
        message.ack()
        assert message.payload == "one"
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.1)
        assert only_current_user_exists(site, users)


def test_subscription_of_a_worker_moves_to_the_next_user(
    site: RedisSite, app: Celery, users: LeasedCredentials
) -> None:
    received: list[Any] = []
    exchange = Exchange("visits_news", type="fanout")
    news = Queue("visits.a", exchange, auto_delete=True)

    def receive() -> bool:
        _drain(connection)
        return received != []

    with (
        app.connection_for_write() as sending,
        app.connection_for_read() as connection,
        Consumer(connection, [news], on_message=received.append, no_ack=True),
    ):
        _drain(connection)
        users.rotate()
        _drain(connection)
        assert only_current_user_exists(site, users)
        sending.Producer().publish("one", exchange=exchange, declare=[exchange])
        assert eventually(receive)
    assert [message.payload for message in received] == ["one"]


def _drain(connection: Any) -> None:
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.2)


def test_received_message_is_recorded_although_the_connection_breaks(
    site: RedisSite, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, failures = redis_transport.QoS.append, [redis.ConnectionError("broken")]

    def fail_first(self: Any, *arguments: Any) -> None:
        if failures:
            raise failures.pop()
        append(self, *arguments)

    monkeypatch.setattr(redis_transport.QoS, "append", fail_first)
    with app.connection_for_read() as connection, connection.SimpleQueue("visits") as queue:
        queue.put("one")
        message = queue.get(timeout=5)
        assert message.delivery_tag.encode() in site.admin.hgetall("unacked")
        message.ack()
    assert failures == []


def test_messages_return_to_their_queue_after_the_transport_was_closed(
    site: RedisSite, app: Celery
) -> None:
    connection = app.connection_for_read()
    queue = connection.SimpleQueue("visits")
    queue.put("one")
    assert queue.get(timeout=5).payload == "one"
    channel = queue.channel
    channel._disconnect_pools()
    connection._do_close_transport()  # as a worker does that has lost its connection
    channel.close()
    assert site.admin.llen("visits") == 1


def test_result_that_is_published_between_two_subscriptions_is_received(
    app: Celery, users: LeasedCredentials
) -> None:
    received: list[AsyncResult] = []
    consumer = app.backend.result_consumer
    result = app.AsyncResult(TASK)
    result.then(received.append)
    consumer.drain_events(timeout=1)
    users.rotate()
    consumer._pubsub.connection.disconnect()
    app.backend.store_result(TASK, 7, "SUCCESS")
    consumer.drain_events(timeout=0.1)
    assert received == [result]


def test_subscription_to_results_moves_to_the_next_user(
    site: RedisSite, app: Celery, users: LeasedCredentials
) -> None:
    consumer = app.backend.result_consumer
    consumer.consume_from(TASK)
    consumer.drain_events(timeout=1)
    users.rotate()
    consumer.drain_events(timeout=0.1)
    assert only_current_user_exists(site, users)


@pytest.mark.parametrize("was_subscribed", [False, True])
def test_result_that_is_awaited_during_an_outage_is_received_after_it(
    app: Celery, users: LeasedCredentials, was_subscribed: bool
) -> None:
    if was_subscribed:
        app.backend.result_consumer.consume_from("another")
    result = app.AsyncResult(TASK)
    with outage(app, users), pytest.raises(Unreachable):
        result.get(timeout=5)
    assert_is_received(app, result)


def test_result_is_received_after_the_connection_could_not_be_replaced(
    app: Celery, users: LeasedCredentials
) -> None:
    result = app.AsyncResult(TASK)
    app.backend.add_pending_result(result)
    with outage(app, users), pytest.raises(Unreachable):
        app.backend.result_consumer._reconnect()
    assert_is_received(app, result)


def test_result_that_is_dropped_after_an_outage_leases_no_user(
    site: RedisSite, app: Celery, users: LeasedCredentials
) -> None:
    consumer = app.backend.result_consumer
    with outage(app, users), pytest.raises(Unreachable):
        consumer.consume_from(TASK)
    consumer.cancel_for(TASK)
    assert eventually(lambda: site.leased_users() == set())


@contextmanager
def outage(app: Celery, users: LeasedCredentials) -> Iterator[None]:
    """Let no user be current, and none be leased, during the block."""
    app.conf.result_backend_transport_options = {"retry_policy": {"max_retries": 0}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "current", _raise_unreachable)
        patch.setattr(users, "is_current", lambda _: False)
        yield


def _raise_unreachable() -> NoReturn:
    raise Unreachable("the secrets server is unreachable")


def assert_is_received(app: Celery, result: AsyncResult) -> None:
    """Store *result* while it is awaited, so that only the notification has it."""

    def store() -> None:
        app.backend.store_result(result.id, 7, "SUCCESS")

    assert result.get(timeout=10, on_interval=store) == 7


def test_result_is_stored_although_the_connection_breaks(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, failures = app.backend.client, [redis.ConnectionError("broken")]
    get = client.get

    def fail_first(key: str) -> Any:
        if failures:
            raise failures.pop()
        return get(key)

    monkeypatch.setattr(client, "get", fail_first)
    app.backend.store_result(TASK, 7, "SUCCESS")
    assert failures == []
    assert app.AsyncResult(TASK).result == 7


def test_result_that_is_dropped_after_the_end_leases_no_user(site: RedisSite, app: Celery) -> None:
    consumer = app.backend.result_consumer
    consumer.consume_from(TASK)
    default_client.close()
    consumer.cancel_for(TASK)
    assert eventually(lambda: site.leased_users() == set())


def test_logs_name_the_role_and_no_url(site: RedisSite) -> None:
    app = Celery("visits", set_as_current=False)
    use_leased_redis(app, "reports", url=site.url.reveal())
    expected = "redis (role reports)"
    shown = (app.connection_for_read().as_uri(include_password=True), app.backend.as_uri())
    assert shown == (expected, expected)


def test_results_may_be_stored_elsewhere() -> None:
    app = Celery("visits", set_as_current=False, backend="cache+memory://")
    use_leased_redis(app, results=False)
    assert app.backend.as_uri() == "memory:///"


def test_rules_are_those_of_the_how_to() -> None:
    text = (ROOT / "docs/howto/Celery.md").read_text(encoding="utf-8")
    declared = YAML(typ="safe").load(text.partition("```yaml\n")[2].partition("```")[0])
    role = RedisRole.model_validate_json(json.dumps(declared["redis"]["roles"]["default"]))
    assert sorted(role.rules) == sorted(RULES)


def test_two_sources_of_users_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="only one of role and secret"):
        use_leased_redis(Celery("visits", set_as_current=False), "reports", secret="redis-url")
