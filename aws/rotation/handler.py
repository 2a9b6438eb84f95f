"""Entry point of the Lambda function: ``aws.rotation.handler.handler``.

It writes one line of JSON for each step, without any value.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, Final

from app_integration._internal.aws_variables import read_region
from app_integration._internal.environment_variable import OWN, SHARED, read_environment
from app_integration.aws.connection import AwsConnection
from app_integration.errors import StrongroomError
from app_integration.observability import redaction
from aws.rotation.errors import RotationRefused
from aws.rotation.generated import GeneratedSecret
from aws.rotation.instructions import PairInstructions, parse_instructions
from aws.rotation.manager import manager_secret
from aws.rotation.rotation import Kind, Outcome, Rotation, Step
from aws.rotation.user_pair import UserPair
from aws.rotation.versions import Call, Description, SecretVersions

log: Final = logging.getLogger("strongroom.rotation")
_KEYS: Final = ("Step", "SecretId", "ClientRequestToken")


def _now() -> datetime:
    return datetime.now(UTC)


def handler(event: Mapping[str, Any], context: object) -> None:  # noqa: ARG001 (of Lambda)
    """Run the step that Secrets Manager requests; an error makes it repeat the rotation."""
    run(event, _connection().call)


def run(event: Mapping[str, Any], call: Call, clock: Callable[[], datetime] = _now) -> Outcome:
    """Run the step of *event*, and log how it has ended. See :func:`handler`."""
    try:
        step, secret, token = parse_event(event)
        versions = SecretVersions(call, secret)
        result = Rotation(versions, partial(_build_kind, call), clock).run(step, token)
    except StrongroomError as error:
        _log(logging.ERROR, event, "failed", reason=str(error))
        raise
    details = {"lagging": result.lagging} if result.lagging else {}
    _log(logging.INFO, event, result.outcome, **details)
    return result.outcome


def parse_event(event: Mapping[str, Any]) -> tuple[Step, str, str]:
    """Return the step, the secret and the version of *event*."""
    step, secret, token = (event.get(key) for key in _KEYS)
    texts = all(isinstance(each, str) for each in (step, secret, token))
    if not texts or step not in [*Step]:
        raise RotationRefused(
            "the event is none of a rotation; let Secrets Manager call the function"
        )
    return Step(str(step)), str(secret), str(token)


def _build_kind(call: Call, description: Description) -> Kind:
    """Return what is special to the secret. psycopg is loaded for a database URL only."""
    instructions = parse_instructions(description.tags)
    if not isinstance(instructions, PairInstructions):
        return GeneratedSecret(instructions)
    try:
        from aws.rotation.database import Database  # noqa: PLC0415 (it loads psycopg)
    except ImportError as error:
        raise RotationRefused(
            f"a database URL needs {error.name}; give the function the layer with it"
        ) from None
    manager = SecretVersions(call, manager_secret(description.name))
    return UserPair(description.name, instructions, Database(), lambda: manager.current().value)


@cache
def _connection() -> AwsConnection:
    """Return the connection, which later invocations of this process use as well."""
    named = any(os.environ.get(name) for name in (OWN, SHARED))
    is_dev = named and read_environment(os.environ).is_dev
    connection = AwsConnection(read_region(os.environ), development=is_dev)
    redaction.install()
    _log_lines()
    return connection


def _log_lines() -> None:
    """Write what is logged as whole lines, because Lambda's own handler adds to each of them."""
    writer = logging.StreamHandler(sys.stdout)
    writer.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(writer)
    log.setLevel(logging.INFO)
    log.propagate = False


def _log(level: int, event: Mapping[str, Any], outcome: str, **details: object) -> None:
    line = {"outcome": outcome, **{key: str(event.get(key)) for key in _KEYS}, **details}
    log.log(level, "%s", json.dumps(line, sort_keys=True))
