"""Questions about the declared policies of an environment, decided as its server would."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration.errors import ConfigurationError
from console.options import Env
from console.target.target import Target, open_target
from console.views.columns import print_columns
from policies.acl.decision import Decision
from policies.acl.policy import read_policy
from policies.acl.policy_set import PolicySet
from policies.holders import Holder, find_holders
from policies.render import render_policies
from vault.declare.errors import join_names, suggest
from vault.reconcile.hcl.policy_rules import DENY

REFUSED: Final = 2

out = Console(soft_wrap=True, emoji=False)

Path = Annotated[str, typer.Argument(help="a path of the server's API, without v1/")]


def why(
    path: Path,
    operation: Annotated[str, typer.Argument(help="such as read, create, update, delete or list")],
    env: Env,
    role: Annotated[
        str, typer.Option("--role", help="a role, login or group that policies who shows")
    ],
) -> None:
    """Show which rule of the declared policies allows a role a request, or refuses it.

    No server is asked. Exit code 2 if it is refused.
    """
    target = open_target(env)
    declared = _read_declared(target)
    holder = _find(find_holders(target.declaration, target.environment), role)
    decision = declared.acl(holder.policies).evaluate(path, operation)
    verb = "may" if decision.allowed else "may not"
    typer.echo(f"{holder} {verb} {operation} {path}: {decision.reason.value}")
    for place, origin in (
        *(("decided by", each) for each in [decision.origin] if each),
        *(("not by", each) for each in decision.shadowed),
    ):
        capabilities = ", ".join(sorted(origin.rule.capabilities))
        typer.echo(f'  {place} {origin}: path "{origin.rule.path}" with {capabilities}')
    if not decision.allowed:
        raise typer.Exit(REFUSED)


def who(path: Path, env: Env) -> None:
    """Show which roles, logins and groups have rights on a path, by the declared policies.

    No server is asked. A person has the rights of their login and of each of their groups together.
    """
    target = open_target(env)
    declared = _read_declared(target)
    rows = [
        (str(holder), ", ".join(decision.capabilities), str(decision.origin))
        for holder in find_holders(target.declaration, target.environment)
        if _has_rights(decision := declared.acl(holder.policies).evaluate(path, "help"))
    ]
    if not rows:
        typer.echo(f"no role, login or group of {target.environment} has rights on {path}")
        return
    print_columns(out, [("who", "may", "by the rule"), *rows])


def _read_declared(target: Target) -> PolicySet:
    target.require_vault()
    texts = render_policies(target.declaration, target.environment)
    return PolicySet(read_policy(name, text) for name, text in texts.items())


def _has_rights(decision: Decision) -> bool:
    return DENY not in decision.capabilities


def _find(holders: Iterable[Holder], name: str) -> Holder:
    known = {each.name: each for each in holders}
    if name not in known:
        near = suggest(name, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(f"no role {name!r} (expected {join_names(sorted(known))}{hint})")
    return known[name]
