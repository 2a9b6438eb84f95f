"""What a recording of a real Valkey finds, and whose commands it leaves out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from app_integration.errors import ConfigurationError
from local.servers.redis_accounts import RedisAccount
from local.servers.redis_recording import RedisRecording
from local.servers.valkey import Valkey
from tests.support.databases.redis_site import running_valkey

pytestmark = pytest.mark.requires("embedded")

#: What redis-py sends when it connects.
CONNECTING = {"client|setinfo"}


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with running_valkey(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def account(valkey: Valkey) -> RedisAccount:
    return valkey._account


def connect(account: RedisAccount) -> redis.Redis:
    return redis.Redis.from_url(account.url().reveal())


def test_recording_has_names_of_commands_keys_and_channels(account: RedisAccount) -> None:
    with RedisRecording(account) as recording, connect(account) as client:
        client.set("orders:1", 'value "\\\n\r\x00 orders:2')
        client.lmove("from", "to")
        with client.pubsub() as pubsub:
            pubsub.subscribe("news")
            pubsub.psubscribe("events.*")
            pubsub.get_message(timeout=1)
            client.publish("other", "news:1")
    commands = {"set", "lmove", "subscribe", "psubscribe", "publish"}
    assert recording.commands >= commands
    assert recording.commands <= {*commands, *CONNECTING, "unsubscribe", "punsubscribe"}
    assert recording.keys == {b"orders:1", b"from", b"to"}
    assert recording.channels == {b"news", b"other"}
    assert recording.patterns == {b"events.*"}


def test_recording_has_commands_that_the_server_shows_to_no_monitor(account: RedisAccount) -> None:
    with RedisRecording(account) as recording, connect(account) as client:
        client.client_list()
    assert recording.commands == {"client|list", *CONNECTING}
    with RedisRecording(account) as recording, connect(account) as client:
        client.ping()
    assert recording.commands == {"ping", *CONNECTING}


def test_recording_has_commands_of_scripts_and_transactions(account: RedisAccount) -> None:
    script = "redis.call('SET', KEYS[1], ARGV[1]); return redis.call('INCR', 'counted')"
    with RedisRecording(account) as recording, connect(account) as client:
        client.eval(script, 1, "named", "1")
        with client.pipeline() as pipeline:
            pipeline.rpush("list", "a").expire("list", 60).execute()
    commands = {"eval", "set", "incr", "multi", "rpush", "expire", "exec"}
    assert recording.commands == {*commands, *CONNECTING}
    assert recording.keys == {b"named", b"counted", b"list"}


def test_recording_has_a_command_that_blocked_until_the_end(account: RedisAccount) -> None:
    with RedisRecording(account) as recording, connect(account) as client:
        assert client.blpop(["waited:1", "waited:2"], timeout=0.1) is None
    assert recording.commands == {"blpop", *CONNECTING}
    assert recording.keys == {b"waited:1", b"waited:2"}


def test_recording_leaves_out_who_connected_before_and_who_has_few_rights(
    account: RedisAccount,
) -> None:
    rules = ["reset", "on", ">password", "~*", "+@read", "+@scripting", "+@connection"]
    # It connects at its first command, and ends after the recording, which would take it otherwise.
    other = redis.Redis(port=account.port, username="other", password="password")
    with connect(account) as before, other:
        before.execute_command("ACL", "SETUSER", "other", *rules)
        with RedisRecording(account) as recording, connect(account) as client:
            before.set("before", "1")
            other.get("of another")
            other.eval("return redis.call('GET', KEYS[1])", 1, "of another's script")
            client.get("own")
    assert recording.commands == {"get", *CONNECTING}
    assert recording.keys == {b"own"}


def test_recording_that_redis_ended_is_no_whole_one(valkey: Valkey, account: RedisAccount) -> None:
    recording = RedisRecording(account)
    try:
        with pytest.raises(ConfigurationError, match=r"stopped or restarted"), recording:
            valkey.stop()
    finally:
        valkey.start()
