"""Command ``strongroom policies check``: what services may do, compared with what they use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from console.options import AsJson, Env, ServiceFilter
from console.target.target import open_target
from console.views.policy_changes import find_more
from policies.needs.code_uses import Use, find_uses
from policies.needs.service_needs import Service, ServiceNeed, make_minimal
from vault.declare.errors import join_names

DIFFERS: Final = 2


@dataclass(frozen=True, slots=True)
class _Checked:
    """A service, what it needs, and what its policy allows beyond that: a line for each rule."""

    service: Service
    needs: Sequence[ServiceNeed]
    excess: Sequence[str]


def check(
    env: Env,
    service: ServiceFilter = None,
    code: Annotated[
        list[Path] | None,
        typer.Option(
            "--code",
            help="a folder of their code; the repository by default",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the declared policies of services with what their code and templates use.

    No server is asked. Exit code 2 if a call would be refused, or if nothing uses a rule.
    """
    target = open_target(env)
    target.require_vault()
    declared = target.declaration
    environment = target.environment
    scopes = [Scope(service, environment)] if service else declared.scopes(environment)
    if not scopes:
        raise ConfigurationError(f"no service runs in {env}; declare one first")
    for scope in scopes:
        declared.deployment(scope)
    services = [Service(declared, scope) for scope in scopes]
    folders = code or [target.checkout.repository.root]
    uses = [use for folder in folders for use in find_uses(folder)]
    checked = [_check(each, uses) for each in services]
    refused = [
        use
        for use in uses
        if use.is_known and use.is_certain and not any(each.grants(use) for each in services)
    ]
    if as_json:
        typer.echo(json.dumps(_to_json(checked, refused, uses), indent=2))
    else:
        for line in _describe(checked, refused, uses):
            typer.echo(line)
    if refused or any(each.excess for each in checked):
        raise typer.Exit(DIFFERS)


def _check(service: Service, uses: Iterable[Use]) -> _Checked:
    needs = service.find_needs(uses)
    excess = find_more(make_minimal(service.policy.name, needs), service.policy)
    return _Checked(service, needs, [each.text for each in excess])


def _describe(
    checked: Sequence[_Checked], refused: Iterable[Use], uses: Iterable[Use]
) -> Iterator[str]:
    for each in checked:
        count = len({found.need for found in each.needs})
        yield f"{each.service.scope}: needs: {count}, unused rules: {len(each.excess)}"
        for line in each.excess:
            yield f"  nothing uses: {line}"
    for use in refused:
        yield f"{use.place}: {use.text} gets a 403 for the {use.kind.value} {use.name!r}"
        for one in checked:
            rules = " ".join(need.policy_rule() for need in one.service.needs_of(use))
            yield f"  declare it for {one.service.scope}, whose policy then has: {rules}"
    for place, text, kinds in _find_unknown(uses):
        yield f"{place}: {text}: its names are not known, so that each {kinds} may be used"


def _find_unknown(uses: Iterable[Use]) -> list[tuple[str, str, str]]:
    """Return the place and text of uses of unknown names, and what kinds of names they are."""
    found: dict[tuple[str, str], list[str]] = {}
    for use in uses:
        if not use.is_known:
            found.setdefault((use.place, use.text), []).append(_spell(use))
    return [(*place, join_names(kinds)) for place, kinds in found.items()]


def _spell(use: Use) -> str:
    return use.kind.value if use.name == "*" else f"{use.kind.value} {use.name}"


def _to_json(
    checked: Sequence[_Checked], refused: Iterable[Use], uses: Iterable[Use]
) -> dict[str, Any]:
    return {
        "services": {
            str(each.service.scope): {
                "needs": [
                    {
                        "path": found.need.path,
                        "capability": found.need.capability,
                        "place": found.place,
                    }
                    for found in each.needs
                ],
                "unused": each.excess,
            }
            for each in checked
        },
        "refused": [
            {"place": use.place, "kind": use.kind.value, "name": use.name} for use in refused
        ],
        "unknown": [
            {"place": place, "call": text, "kinds": kinds}
            for place, text, kinds in _find_unknown(uses)
        ],
    }
