"""Rotations on AWS: their state, and the start of one. The function does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from aws.environment import open_checked_connection
from aws.rotated_secrets import find_function, find_rotated
from console.target.target import Target
from console.views.columns import print_columns
from console.views.escapes import say
from vault.declare.declaration import Declaration
from vault.declare.errors import join_names
from vault.reconcile.server_time import format_time

if TYPE_CHECKING:
    from aws.rotation_states import RotationState

_HEADINGS: Final = ("service", "name", "state", "since", "due", "old", "new", "old read")
_ID: Final = 8  # characters of a version's id, as git shows a commit


def rotate_on_aws(console: Console, target: Target, service: str | None, name: str | None) -> None:
    """Begin the rotation of a secret, or print the states of all."""
    declaration, environment = target.declaration, target.environment
    if service is not None:
        declaration.deployment(target.scope(service))  # which raises if it is not there
    if name and environment.is_dev and declaration.account(environment).rotation_function is None:
        raise ConfigurationError(
            f"{environment} has no function that rotates {name}; write a new version with: "
            f"strongroom put {name} --service {service or 'SERVICE'} --env {environment}"
        )
    function = find_function(declaration, environment)
    if name:
        scope = _find_scope(declaration, environment, service, name)
        _begin(console, declaration, scope, name, function)
    else:
        _show(console, declaration, environment, service)


def _show(
    console: Console, declaration: Declaration, environment: Environment, service: str | None
) -> None:
    with open_checked_connection(declaration, environment) as connection:
        from aws.reader import AwsReader  # noqa: PLC0415 (it loads boto3, as does the next one)
        from aws.rotation_states import read_states  # noqa: PLC0415

        reader = AwsReader(connection)
        states = [*read_states(reader, declaration, environment, datetime.now(UTC), service)]
    print_columns(console, [_HEADINGS, *map(_cells, states)])


def _begin(
    console: Console, declaration: Declaration, scope: Scope, name: str, function: str
) -> None:
    every = find_rotated(declaration, scope)[name].every
    with open_checked_connection(declaration, scope.environment) as connection:
        from aws.resources.rotation import AwsRotation  # noqa: PLC0415 (it loads boto3)

        AwsRotation(scope.secret(name), function, every).begin(connection)
    say(console, f"{name}: begun. See how it ends with --status.")


def _find_scope(
    declaration: Declaration, environment: Environment, service: str | None, name: str
) -> Scope:
    scopes = [each for each in declaration.scopes(environment) if service in {None, each.service}]
    found = [each for each in scopes if name in find_rotated(declaration, each)]
    if len(found) == 1:
        return found[0]
    if found:
        which = join_names([each.service for each in found])
        raise ConfigurationError(f"{name} is a secret of {which}; pass --service")
    names = sorted({name for each in scopes for name in find_rotated(declaration, each)})
    raise ConfigurationError(
        f"the function in {environment} rotates no secret {name!r} (expected {join_names(names)})"
    )


def _cells(state: RotationState) -> Sequence[str]:
    times = (format_time(each) or "-" for each in (state.since, state.due))
    read = f"{state.old_read:%Y-%m-%d}" if state.old_read else "-"
    versions = (version[:_ID] or "-" for version in (state.old, state.new))
    return (state.service, state.name, state.state.value, *times, *versions, read)
