"""Commands ``strongroom policies``: what services may do, and policies of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Annotated, Final

import typer

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.session.session import Session
from console.commands.aws.iam_policies import explain, run_rows
from console.commands.deploy.policy_check import check
from console.commands.deploy.policy_questions import who, why
from console.options import ENV, Env, Root, ServiceFilter
from console.target.checkout import current_checkout
from console.target.local_folder import DEFAULT_ROOT
from console.target.policy_texts import read_policies
from console.target.sessions import open_operator_session
from console.target.target import open_target
from console.views.policy_changes import describe_changes
from policies import override
from policies.capabilities import decide_capabilities, find_failures, read_capabilities
from policies.holders import find_holders
from policies.render import service_policy
from vault.declare.declaration import Declaration
from vault.declare.load import display_path
from vault.declare.policy_files import TESTS_SUFFIX, TestRow, read_tests
from vault.declare.server_names import APPLY_JOB

FAILS: Final = 2

app = typer.Typer(no_args_is_help=True, help="Test what services may do; replace a policy.")
for _command in (explain, why, who, check):
    app.command()(_command)
Name = Annotated[str, typer.Argument(help="a policy of the tool, such as service or developer")]


@app.callback()
def policies() -> None:
    """Test what services may do; replace a policy."""


@app.command("test")
def run_tests(
    env: Env,
    service: ServiceFilter = None,
    proposed: Annotated[
        bool,
        typer.Option("--proposed", help="decide by the policies to be applied; ask no server"),
    ] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Ask the server for what each row of policies/<service>.tests.yaml expects.

    For an environment on AWS, the declared IAM policy is evaluated, and nothing is requested. Exit
    code 2 if a row does not hold.
    """
    target = open_target(env, root)
    declared = target.declaration
    tests = read_tests(target.checkout.repository.policies, declared)
    scopes = _select(declared, target.environment, tests, service)
    if target.is_on_aws:
        held = [run_rows(declared, scope, tests[scope.service]) for scope in scopes]
        if not all(held):
            raise typer.Exit(FAILS)
        return
    session = nullcontext() if proposed else open_operator_session(target, APPLY_JOB)
    with session as opened:
        results = [_run(opened, declared, scope, tests[scope.service]) for scope in scopes]
    if not all(results):
        raise typer.Exit(FAILS)


@app.command("override")
def write_override(
    name: Name,
    accept: Annotated[
        bool, typer.Option("--accept", help="record that your file is up to date with the tool's")
    ] = False,
) -> None:
    """Copy a policy of the tool into your repository, which is used instead from then on."""
    folder = current_checkout().repository.policies
    if accept:
        path = override.accept(folder, name)
        typer.echo(f"{display_path(path)} is now based on today's template of strongroom")
        return
    path = override.create(folder, name)
    typer.echo(f"wrote {display_path(path)}; edit it, then: strongroom plan --env dev")


@app.command()
def diff(
    old: Annotated[
        str,
        typer.Argument(
            help="a policy of the tool; with NEW a file, a repository's folder, a commit or server"
        ),
    ],
    new: Annotated[str | None, typer.Argument(help="what to compare with, one of the same")] = None,
    env: Annotated[str | None, ENV] = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show how your policy differs from the tool's, or what NEW allows beyond OLD.

    Of two, each request that only one of them allows is found, and one is shown for each rule.
    Exit code 2 if NEW allows more, unless the comment above the rule, "widens: …", says why.
    """
    if new is None:
        typer.echo(override.diff(current_checkout().repository.policies, old), nl=False)
        return
    if env is None:
        raise ConfigurationError("two sources have policies for each environment; pass --env")
    target = open_target(env, root)
    target.require_vault()
    before, after = (read_policies(each, target) for each in (old, new))
    if len(before) == len(after) == 1:  # two files may have other names
        after = dict(zip(before, after.values(), strict=True))
    changes = list(describe_changes(before, after))
    holders = find_holders(target.declaration, target.environment)
    for name, more, less in changes:
        for word, lines in (("allows more", more), ("allows less", less)):
            for line in lines:
                typer.echo(f"{name} {word}: {line}")
        if held := [str(each) for each in holders if name in each.policies]:
            typer.echo(f"{name} is the policy of {', '.join(held)}")
    if any(each.reason is None for _, more, _ in changes for each in more):
        raise typer.Exit(FAILS)


def _select(
    declared: Declaration,
    environment: Environment,
    tests: Mapping[str, tuple[TestRow, ...]],
    service: str | None,
) -> list[Scope]:
    """Return the services to test, and print which others of *environment* have no tests."""
    scopes = declared.scopes(environment)
    if service is not None:
        scopes = (Scope(service, environment),)
        declared.deployment(scopes[0])
    if not scopes:
        raise ConfigurationError(f"no service runs in {environment}; declare one first")
    without = [scope for scope in scopes if scope.service not in tests]
    if len(without) == len(scopes):
        names = ", ".join(f"{scope.service}{TESTS_SUFFIX}" for scope in scopes)
        raise ConfigurationError(
            f"there are no tests of {service or 'any service'} in {environment}; write {names} in "
            "the repository's folder of policies"
        )
    for scope in without:
        typer.echo(f"{scope}: no tests ({scope.service}{TESTS_SUFFIX} does not exist)")
    return [scope for scope in scopes if scope.service in tests]


def _run(
    session: Session | None, declared: Declaration, scope: Scope, rows: tuple[TestRow, ...]
) -> bool:
    """Print each row that does not hold, and a summary; return whether all of them hold.

    Without a session, the declared policy is asked, and not the server's.
    """
    environment, mounts = scope.environment, declared.environment(scope.environment).mounts
    tested = [row for row in rows if row.test.is_for(environment)]
    paths = sorted({row.test.path_in(environment, mounts) for row in tested})
    if session is None:
        granted = decide_capabilities(str(scope), service_policy(declared, scope), paths)
    else:
        granted = read_capabilities(session, str(scope), paths)
    failures = find_failures(tested, environment, mounts, granted)
    for failure in failures:
        typer.echo(failure)
    typer.echo(f"{scope}: {len(tested) - len(failures)} of {len(tested)} rows hold")
    if failures:
        typer.echo(
            "In each row above, correct what it expects (allow or deny), or the declaration and "
            "its policies, and apply them.",
            err=True,
        )
    return not failures
