"""Recording of what a program does on a deployment's Redis: names of commands, keys and channels.

``MONITOR`` shows what each connection sends, and the commands of scripts. It shows none that
administers, such as ``CLIENT LIST``: the server's counters do, for all connections together.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from redis import Redis
from redis.connection import Connection
from redis.exceptions import InvalidResponse, RedisError, ResponseError

from app_integration.errors import ConfigurationError
from local.servers.redis_accounts import RedisAccount

_LINE: Final = re.compile(rb"[0-9.]+ \[\d+ (\S+)\] (.*)", re.DOTALL)
_ARGUMENT: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_CONTROLS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_CLIENT: Final = re.compile(rb"\baddr=(\S+) .*\buser=(\S+)")
_CALLS: Final = re.compile(rb"cmdstat_(\S+?):calls=(\d+)")
_SCRIPT: Final = b"lua"


class RedisRecording:
    """Recording, during a block, of connections that are opened in it by users with every right.

    A running service is left out, because its leased users have fewer rights. ``commands`` has
    names such as ``get`` and ``client|list``, without those that every user may run.
    """

    def __init__(self, account: RedisAccount) -> None:
        """Connect to nothing yet."""
        self.commands: set[str] = set()
        self.keys: set[bytes] = set()
        self.channels: set[bytes] = set()
        self.patterns: set[bytes] = set()
        self._account = account
        self._end = uuid.uuid4().hex.encode()
        self._failed: RedisError | None = None
        self._is_recorded: dict[bytes, bool] = {}
        self._is_script_recorded = False
        self._own_calls = 0  # of CLIENT LIST
        self._described: dict[str, tuple[set[bytes], bool]] = {}
        self._thread = threading.Thread(target=self._record, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        try:
            self._monitor, self._control, self._asking = (self._connect() for _ in range(3))
            _ask(self._monitor, "MONITOR")
            self._is_recorded = dict.fromkeys(self._users(), False)
            self._existing = self._unlimited()
            self._before, self._own_calls = self._calls(), 0
        except RedisError as error:
            raise ConfigurationError(
                f"Redis cannot be recorded: {error}; start it with strongroom up"
            ) from None
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, and delete the users with every right that were leased in the block."""
        try:
            _ask(self._control, "ECHO", self._end)
            self._thread.join()
            self._add_administration()
            for user in self._unlimited() - self._existing:
                _ask(self._control, "ACL", "DELUSER", user)
        except RedisError as failed:
            self._failed = failed
        for each in (self._monitor, self._control, self._asking):
            each.disconnect()  # type: ignore[no-untyped-call]
        if self._failed is not None and error is None:
            raise ConfigurationError(
                "Redis was stopped or restarted during the recording, which is not whole; start it "
                "with strongroom up, and record again"
            )

    def _connect(self) -> Connection:
        url = self._account.url().reveal()
        connection: Connection = Redis.from_url(
            url, socket_timeout=None
        ).connection_pool.get_connection()
        return connection

    def _record(self) -> None:
        try:
            while self._end not in (line := self._monitor.read_response()):
                self._add_line(*parse_line(line))
        except RedisError as error:
            self._failed = error

    def _add_line(self, address: bytes, arguments: Sequence[bytes]) -> None:
        if address != _SCRIPT:  # its commands follow that of its connection at once
            self._is_script_recorded = self._has_every_right(address)
        if self._is_script_recorded:
            self._add(arguments)

    def _has_every_right(self, address: bytes) -> bool:
        """Return whether the connection from *address* is recorded, as one is that has ended."""
        if address not in self._is_recorded:
            user = self._users().get(address)
            self._is_recorded[address] = user is None or user in self._unlimited()
        return self._is_recorded[address]

    def _add(self, arguments: Sequence[bytes]) -> None:
        name = arguments[0].decode("ascii", "replace").lower()
        flags, has_subcommands = self._describe(name)
        if b"no_auth" in flags:
            return
        if has_subcommands:
            name = b"|".join(arguments[:2]).decode("ascii", "replace").lower()
        self.commands.add(name)
        match name:
            case "subscribe" | "ssubscribe":
                self.channels.update(arguments[1:])
            case "publish" | "spublish":
                self.channels.add(arguments[1])
            case "psubscribe":
                self.patterns.update(arguments[1:])
            case _:
                self.keys.update(self._keys(arguments))

    def _add_administration(self) -> None:
        """Add the commands that administer. ``ACL`` is left out, with which users are leased."""
        own = {"client|list": self._own_calls}
        for name, calls in self._calls().items():
            has_run = calls > self._before.get(name, 0) + own.get(name, 0)
            if has_run and not name.startswith("acl|") and b"admin" in self._describe(name)[0]:
                self.commands.add(name)

    def _calls(self) -> dict[str, int]:
        """Return how often each command ran."""
        text = _ask(self._asking, "INFO", "commandstats")
        return {name.decode(): int(calls) for name, calls in _CALLS.findall(text)}

    def _users(self) -> dict[bytes, bytes]:
        """Return the user of each connection, by its address."""
        self._own_calls += 1
        return dict(_CLIENT.findall(_ask(self._asking, "CLIENT", "LIST")))

    def _unlimited(self) -> set[bytes]:
        """Return the users with every right."""
        users = (line.split() for line in _ask(self._asking, "ACL", "LIST"))
        return {words[1] for words in users if b"+@all" in words}

    def _describe(self, name: str) -> tuple[set[bytes], bool]:
        """Return the flags of a command, and whether it has subcommands."""
        if name not in self._described:
            found = _ask(self._asking, "COMMAND", "INFO", name)[0]
            self._described[name] = set(found[2]), bool(found[9])
        return self._described[name]

    def _keys(self, arguments: Sequence[bytes]) -> list[bytes]:
        try:
            keys: list[bytes] = _ask(self._asking, "COMMAND", "GETKEYS", *arguments)
        except ResponseError:  # it has none
            return []
        return keys


def parse_line(line: bytes) -> tuple[bytes, list[bytes]]:
    """Return the address and the arguments in a line of ``MONITOR``."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise InvalidResponse("a line of MONITOR has another form")
    return match[1], [_ESCAPE.sub(_unescape, each) for each in _ARGUMENT.findall(match[2])]


def _unescape(found: re.Match[bytes]) -> bytes:
    text = found[1]
    return bytes.fromhex(text[1:].decode()) if len(text) > 1 else _CONTROLS.get(text, text)


def _ask(connection: Connection, *arguments: bytes | str) -> Any:
    connection.send_command(*arguments)  # type: ignore[no-untyped-call]
    return connection.read_response()
