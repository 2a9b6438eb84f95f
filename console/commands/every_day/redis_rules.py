"""Command ``redis-rules record``: rules of a Redis role, from what a command was seen to use."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer
from redis import Redis
from redis.utils import str_if_bytes

from app_integration._internal.environment_variable import SHARED
from app_integration.config.application import ChildApplication
from app_integration.errors import ConfigurationError
from app_integration.program.secret_variables import scrub
from app_integration.program.supervision import Supervision, has_terminal
from console.options import OnlyService, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from local.servers.redis_accounts import RedisAccount
from local.servers.redis_recording import RedisRecording
from vault.declare import durations
from vault.declare.edit.yaml_text import quote
from vault.declare.recorded_rules import RecordedRules, find_rules
from vault.declare.schema.redis import RedisRole
from vault.reconcile.desired import redis_users
from vault.reconcile.resources.database import DatabaseRole
from vault.reconcile.resources.lease_statements import AclGrant
from vault.reconcile.resources.ownership import Owner

if TYPE_CHECKING:
    from local.deployment import LocalDeployment

_DEFAULT: Final = "default"

app = typer.Typer(no_args_is_help=True, help="Rules of leased Redis users, from a run.")


@app.callback()
def redis_rules() -> None:
    """Rules of leased Redis users, from a run."""


@app.command()
def record(
    command: Annotated[list[str], typer.Argument(help="after --, with its arguments")],
    service: OnlyService = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Run a command on the local deployment, and print the Redis rules that it needs.

    It has the service's variables, and every right on Redis: as redis_client(), and with REDIS_URL.
    """
    target = open_target(root=root)
    service, local = target.find_scope(service).service, target.local_deployment()
    if not local.is_set_up(service):
        raise ConfigurationError(f"{service} is not set up yet; run strongroom up")
    local.check_listeners("vault", "redis")
    deployed = local.service(service)
    redis = deployed.access.redis
    url = {"REDIS_URL": redis.url().reveal()}
    variables = {**without_other_services(os.environ), **deployed.variables(), **url}
    with RedisRecording(redis) as recording, _every_right(local, service):
        code = _run(command, variables)
    declared = local.declaration.service(service).redis
    role = declared.roles.get(_DEFAULT) if declared else None
    _show(role, _find_rules(redis, role, recording))
    if role is None:
        typer.echo(
            f"redis-rules: {service} declares no Redis role {_DEFAULT}, so redis_client() is "
            "denied, whatever policy its error names; declare the lines above in "
            f"services/{service}.yaml and the address in environments/dev.yaml, run strongroom up, "
            "and record again",
            err=True,
        )
    raise typer.Exit(code)


def without_other_services(shell: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a shell without those that name a service, environment or login."""
    return {name: value for name, value in scrub(shell).items() if name != SHARED}


def _run(command: Sequence[str], variables: dict[str, str]) -> int:
    terminal = has_terminal()
    program = ChildApplication(command, has_terminal=terminal, has_threads=True)
    return Supervision(program, lambda: variables, has_terminal=terminal).run()


@contextmanager
def _every_right(local: LocalDeployment, service: str) -> Iterator[None]:
    """Lease users of *service* with every right during the block."""
    declaration, scope = local.declaration, local.service(service).scope
    owner = Owner.of(declaration.environment(scope.environment))
    declared = redis_users.resources(declaration, scope, local.inputs(), owner)
    roles = [each for each in declared if isinstance(each, DatabaseRole)]
    every_right = AclGrant(("~*", "&*", "+@all"))
    with local.operator() as session:
        try:
            for role in roles:
                replace(role, grant=every_right).write(session, None)
            yield
        finally:
            for role in roles:
                role.write(session, None)


def _find_rules(
    account: RedisAccount, role: RedisRole | None, recording: RedisRecording
) -> RecordedRules:
    with Redis.from_url(account.url().reveal()) as client:
        return find_rules(
            role.rules if role else (),
            recording.commands,
            recording.keys,
            recording.channels,
            recording.patterns,
            lambda category: {str_if_bytes(each) for each in client.acl_cat(category)},
        )


def _in_hours(seconds: int) -> str:
    """Return a duration as a TTL is usually declared, such as ``24h`` for a day."""
    hours, rest = divmod(seconds, durations.HOUR)
    return durations.render(seconds) if rest else f"{hours}h"


def _show(role: RedisRole | None, found: RecordedRules) -> None:
    """Print the declaration's lines, and on standard error what an operator must know of them."""
    rules = ", ".join(rule if rule[0] in "+-" else quote(rule) for rule in found.rules)
    lines = textwrap.wrap(f"[{rules}]", 90, break_long_words=False, break_on_hyphens=False)
    ttl, max_ttl = (_in_hours(each) for each in (role.ttl, role.max_ttl)) if role else ("1h", "24h")
    typer.echo("redis:\n  roles:\n    default:\n      rules:")
    typer.echo(textwrap.indent("\n".join(lines), " " * 8))
    typer.echo(f"      ttl: {ttl}\n      max_ttl: {max_ttl}")
    added = ", ".join(found.added) or "none; the declared rules grant all that was used"
    notes = [f"new: {added}", "only what ran was recorded; read the rules before you declare them"]
    if found.refused:
        notes.append(f"used, but no role may have it: {', '.join(found.refused)}")
    if {"~*", "&*"} & {*found.added}:
        notes.append("~* and &* are all names: some that were used have nothing in common")
    for note in notes:
        typer.echo(f"redis-rules: {note}", err=True)
