"""Check of a repository's own policies, without a server: that each renders, and is up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial

from app_integration.names import Environment
from policies.capabilities import decide_capabilities, find_failures
from policies.render import (
    find_wide_rules,
    render_policies,
    scoped_apply_policy,
    service_policy,
)
from policies.templates import check_syntax, find_outdated
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.policy_files import TestRow, read_templates
from vault.declare.repository import Repository
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.hcl.policy_rules import policies_equal
from vault.reconcile.resources import ReadSession, read_data


def find_warnings(repository: Repository, declared: Declaration | None) -> tuple[str, ...]:
    """Return a line for each risk of the repository's own policies.

    These are a base that has changed since, and a path of a service that covers other services. The
    latter needs the declaration, None if that has an error.
    """
    templates, _ = read_templates(repository.policies)
    wide: list[str] = []
    if declared is not None and "service" in templates:
        with suppress(DeclarationError):  # of a template, which the command reports
            wide += find_wide_rules(declared)
    return (*find_outdated(templates), *wide)


def find_stale_policy(
    reader: ReadSession, declared: Declaration, environment: Environment
) -> Iterator[str]:
    """Yield a line if a scoped apply role has other rights than those that are declared now."""
    if not declared.environment(environment).is_scoped:
        return
    name = declared.environment(environment).server_name(APPLY_JOB)
    found = read_data(reader, f"sys/policies/acl/{name}")
    if found and not policies_equal(found["policy"], scoped_apply_policy(declared, environment)):
        yield (
            f"policy {name} on the server is not that of this declaration and version, and may "
            "allow more; have the platform team review and write the output of strongroom "
            f"environments apply-policy {environment}"
        )


def find_policy_errors(declared: Declaration) -> tuple[str, ...]:
    """Return each error of the repository's own policies, of any environment once."""
    found: dict[str, None] = {}
    for check in _checks(declared) if declared.policy_templates else ():
        try:
            check()
        except DeclarationError as error:
            found |= dict.fromkeys(map(str, error.errors))
    return tuple(found)


def find_failing_rows(
    declared: Declaration, tests: Mapping[str, tuple[TestRow, ...]]
) -> Iterator[str]:
    """Yield a line for each row of the tests that the policy to be applied does not hold."""
    for environment, settings in declared.environments.items():
        for scope in declared.scopes(environment) if settings.aws is None else ():
            rows = [row for row in tests.get(scope.service, ()) if row.test.is_for(environment)]
            paths = {row.test.path_in(environment, settings.mounts) for row in rows}
            granted = decide_capabilities(str(scope), service_policy(declared, scope), paths)
            yield from find_failures(rows, environment, settings.mounts, granted)


def _checks(declared: Declaration) -> Iterator[Callable[[], object]]:
    for template in declared.policy_templates.values():
        yield partial(check_syntax, template)
    for name, environment in declared.environments.items():
        yield partial(render_policies, declared, name)
        if environment.is_scoped:
            yield partial(scoped_apply_policy, declared, name)
