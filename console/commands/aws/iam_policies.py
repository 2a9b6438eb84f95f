"""IAM policies of an environment on AWS, asked offline: tests by the file, and one question."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from app_integration._internal.arns import region_of
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from aws.account import Account
from aws.iam.evaluation import as_list
from aws.iam.questions import Decision, decide, key_calls, secret_calls
from aws.iam.service_policy import KEY_ACTIONS, STAGE, service_policy
from aws.iam.vault_rows import translate
from console.options import AsJson, Env, Service
from console.target.target import Target, open_target
from console.views.columns import print_columns
from vault.declare.declaration import Declaration
from vault.declare.errors import join_names, suggest
from vault.declare.policy_files import TestRow

DENIED: Final = 2

out = Console(soft_wrap=True, emoji=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """Policy of a service in an environment on AWS."""

    scope: Scope
    account: Account
    document: dict[str, Any]

    @classmethod
    def of(cls, declared: Declaration, scope: Scope) -> Subject:
        """Return the policy of *scope*."""
        declared.deployment(scope)
        account = Account.of(declared.account(scope.environment))
        return cls(scope, account, service_policy(declared, scope, account))


def explain(
    env: Env,
    service: Service,
    secret: Annotated[
        str | None, typer.Option("--secret", help="a secret, or SERVICE/NAME of another service")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="a key, or SERVICE/NAME of another service")
    ] = None,
    operation: Annotated[
        str | None, typer.Option("--operation", help="with --key: encrypt, decrypt or rewrap")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """On AWS: show what the IAM policy of a service allows, or decides about a secret or key.

    Nothing is requested. Exit code 2 if it may not read the secret, or not do the operation.
    """
    target = open_target(env)
    declared = target.declaration
    _check_options(target, secret, key, operation)
    subject = Subject.of(declared, target.scope(service))
    if secret is None and key is None:
        _show_policy(subject, as_json=as_json)
        return
    wanted = operation if secret is None else "read"
    if secret is not None:
        name = _find(declared, subject.scope, "secret", secret)
        calls = secret_calls(subject.account, name)
    else:
        name = _find(declared, subject.scope, "key", key or "")
        calls = key_calls(subject.account, subject.scope, name)
    decisions = decide(subject.document, calls)
    _show_decisions(subject, name, decisions, as_json=as_json)
    if wanted is not None and not _is_granted(decisions, _deciding_action(wanted)):
        raise typer.Exit(DENIED)


def _deciding_action(operation: str) -> str:
    """Return the action that decides about an operation."""
    return "secretsmanager:GetSecretValue" if operation == "read" else KEY_ACTIONS[operation][1][0]


def run_rows(declared: Declaration, scope: Scope, rows: Iterable[TestRow]) -> bool:
    """Print each row of tests that does not hold, and a summary; return whether all hold."""
    subject = Subject.of(declared, scope)
    mounts = declared.environment(scope.environment).mounts
    ids = {
        each.secret(name): declared.secret_id(each, name)
        for each in declared.scopes(scope.environment)
        for name in declared.secrets(each)
    }
    failed = held = about_vault = 0
    for row in rows:
        if not row.test.is_for(scope.environment):
            continue
        path = row.test.path_in(scope.environment, mounts)
        calls = translate(scope, path, row.test.capability, mounts, subject.account, ids)
        decisions = decide(subject.document, calls)
        if not decisions:
            about_vault += 1
        elif all(each.granted for each in decisions) == (row.test.expect == "allow"):
            held += 1
        else:
            failed += 1
            typer.echo(_failure(row, decisions, scope.environment))
    note = f"; {about_vault} are about a Vault server and were not tested" if about_vault else ""
    typer.echo(f"{scope}: {held} of {held + failed} rows hold{note}")
    return not failed


def _failure(row: TestRow, decisions: Sequence[Decision], environment: Environment) -> str:
    calls = ", ".join(str(each.call) for each in decisions)
    verb = "denies" if row.test.expect == "allow" else "grants"
    return (
        f"{row.file}:{row.line}: {calls} in {environment}: expected {row.test.expect}, the policy"
        f" {verb} it"
    )


def _check_options(
    target: Target, secret: str | None, key: str | None, operation: str | None
) -> None:
    if not target.is_on_aws:
        environment = target.environment
        raise ConfigurationError(
            f"{environment} is on Vault, whose server knows what a policy allows; ask it with"
            f" strongroom policies test --env {environment}"
        )
    if secret is not None and key is not None:
        raise typer.BadParameter("pass one of --secret and --key")
    if operation is not None and (key is None or operation not in KEY_ACTIONS):
        raise typer.BadParameter(f"--operation is {join_names(KEY_ACTIONS)}, with --key")


def _find(declared: Declaration, scope: Scope, kind: str, name: str) -> str:
    """Return the name or ARN on AWS of a secret or key, of the service or as ``SERVICE/NAME``.

    The service's own secret is found first, because its name may have a slash, too.
    """
    owner, short = scope, name
    if "/" in name and name not in _declared(declared, scope, kind):
        service, _, short = name.partition("/")
        owner = Scope(service, scope.environment)
        declared.deployment(owner)
    known = _declared(declared, owner, kind)
    if short not in known:
        near = suggest(short, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigurationError(
            f"{owner} has no {kind} {short!r} (expected {join_names(sorted(known))}{hint})"
        )
    return declared.secret_id(owner, short) if kind == "secret" else owner.key(short)


def _declared(declared: Declaration, owner: Scope, kind: str) -> Collection[str]:
    return declared.secrets(owner) if kind == "secret" else declared.service(owner.service).keys


def _is_granted(decisions: Iterable[Decision], action: str) -> bool:
    return next(each.granted for each in decisions if each.call.action == action)


def _show_policy(subject: Subject, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(subject.document, indent=2))
        return
    rows = [("statement", "action", "on", "if")]
    for statement in subject.document["Statement"]:
        tests = statement.get("Condition", {}).get("StringEquals", {})
        condition = "; ".join(
            f"{key} is {' or '.join(as_list(values))}" for key, values in tests.items()
        )
        rows += [
            (statement["Sid"], action, _short(resource, subject.account), condition)
            for action in statement["Action"]
            for resource in statement["Resource"]
        ]
    out.print(f"The policy {subject.scope} allows, and nothing else:\n", highlight=False)
    print_columns(out, rows)


def _short(arn: str, account: Account) -> str:
    """Return what an ARN names, with its region if that is another one, as that of a replica."""
    name, region = arn.split(":", 5)[-1], region_of(arn)
    return name if region in {"", account.region} else f"{name} in {region}"


def _show_decisions(
    subject: Subject, name: str, decisions: Sequence[Decision], *, as_json: bool
) -> None:
    if as_json:
        typer.echo(json.dumps(_document(subject, name, decisions), indent=2))
        return
    rows = [("decision", "action", "version", "statement", "only with")]
    rows += [
        (
            "allowed" if each.granted else "denied",
            each.call.action,
            each.call.context.get(STAGE, ""),
            ", ".join(each.statements),
            ", ".join(f"{key}={value}" for key, value in each.only_with.items()),
        )
        for each in decisions
    ]
    out.print(f"{subject.scope} on {name}:\n", highlight=False, markup=False)
    print_columns(out, rows)


def _document(subject: Subject, name: str, decisions: Sequence[Decision]) -> dict[str, Any]:
    return {
        "policy": str(subject.scope),
        "name": name,
        "decisions": [
            {
                "action": each.call.action,
                "context": dict(each.call.context),
                "granted": each.granted,
                "statements": list(each.statements),
                "only_with": each.only_with,
            }
            for each in decisions
        ],
    }
