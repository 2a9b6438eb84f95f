"""Invocations of the rotation function that end early, and what AWS does and moto does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from app_integration.errors import RequestRefused
from aws.rotation.database import Database
from aws.rotation.instructions import PairInstructions, parse_instructions
from aws.rotation.manager import manager_secret
from aws.rotation.rotation import Rotation, Step
from aws.rotation.user_pair import UserPair
from aws.rotation.versions import Call, Description, SecretVersions
from tests.support.servers.rotation_site import RotatedSecret


class Killed(BaseException):
    """The end of an invocation's process, which no handler of errors sees."""


class Kill:
    """An invocation that ends before or after one of its calls."""

    def __init__(self, at: int, *, is_late: bool) -> None:
        self._at = at
        self._is_late = is_late
        self.calls = 0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return *function*, whose calls are counted, and one of which ends the invocation."""

        def wrapped(*arguments: Any, **options: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if number == self._at and not self._is_late:
                raise Killed
            try:
                return function(*arguments, **options)
            finally:
                if number == self._at:
                    raise Killed

        return wrapped


class KilledDatabase(Database):
    def __init__(self, kill: Kill) -> None:
        self.find_login = kill.wrap(super().find_login)  # type: ignore[method-assign]
        self.set_password = kill.wrap(super().set_password)  # type: ignore[method-assign]


def run_killed(secret: RotatedSecret, step: Step, token: str, kill: Kill) -> None:
    """Run a step of a database URL in an invocation that may end early."""
    call = kill.wrap(secret.function.connection.call)

    def build(description: Description) -> UserPair:
        instructions = parse_instructions(description.tags)
        assert isinstance(instructions, PairInstructions)
        manager = SecretVersions(call, manager_secret(description.name))
        database = KilledDatabase(kill)
        return UserPair(description.name, instructions, database, lambda: manager.current().value)

    Rotation(SecretVersions(call, secret.name), build, lambda: secret.now).run(step, token)


def refuse_second_value(call: Call) -> Call:
    """Return *call* with what AWS does and moto does not: a version keeps its first value."""
    written: dict[str, str] = {}
    lock = threading.Lock()

    def put(request: Any) -> Mapping[str, Any]:
        if request.operation != "PutSecretValue":
            return call(request)
        token, value = (request.parameters[key] for key in ("ClientRequestToken", "SecretString"))
        with lock:
            if written.setdefault(token, value) != value:
                raise exists(request)
            return call(request)

    return put


def exists(request: Any) -> Exception:
    """Return the error for a second value under a token."""
    code = "ResourceExistsException"
    return RequestRefused(f"{request}: refused", status=400, data={"code": code})
