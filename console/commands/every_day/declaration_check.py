"""Check of a declaration, its templates, its policies and their tests, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from agent.compiler.errors import TemplateRejected
from agent.compiler.template_compiler import compile_declared
from app_integration.names import Scope
from console.commands.every_day.policy_check import (
    find_failing_rows,
    find_policy_errors,
    find_warnings,
)
from vault.audit.anomalies import rules_reader
from vault.declare import source_file
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.policy_files import read_tests
from vault.declare.repository import Repository
from vault.declare.schema.model import Config
from vault.monitoring.alerts import read_monitoring
from vault.rollout import rules as rollout_rules


class Findings(NamedTuple):
    """What a check found, as text: errors with file and line, and risks of policies."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def check_repository(repository: Repository) -> Findings:
    """Return the errors of the declaration, or else of what needs it, and the warnings.

    The compiler stops at the first error of a template, and compiles it for each environment of its
    service.
    """
    try:
        declared = repository.load()
    except DeclarationError as error:
        return Findings(tuple(map(str, error.errors)), find_warnings(repository, None))
    return Findings((*_find_errors(repository, declared),), find_warnings(repository, declared))


def _find_errors(repository: Repository, declared: Declaration) -> list[str]:
    folder = repository.declaration
    errors = [
        *_errors(read_tests, repository.policies, declared),
        *_errors(rules_reader.read_rules, source_file.find(folder, rules_reader.FILE)),
        *_errors(read_monitoring, folder, declared),
    ]
    if (rollout := source_file.find(folder, rollout_rules.FILE)) is not None:
        errors += _errors(rollout_rules.read_file, rollout, declared.services)
    for name, service in declared.services.items():
        if service.config is not None:
            errors += _template_errors(declared, name, service.config)
    errors += find_policy_errors(declared)
    return errors or [*find_failing_rows(declared, read_tests(repository.policies, declared))]


def _errors(read: Callable[..., object], *arguments: object) -> Iterator[str]:
    """Yield the errors that *read* finds in files."""
    try:
        read(*arguments)
    except DeclarationError as error:
        yield from map(str, error.errors)


def _template_errors(declared: Declaration, service: str, config: Config) -> Iterator[str]:
    """Yield each error of the template, with its environments if it has none in the others."""
    scopes = [
        Scope(service, environment)
        for environment in declared.environments
        if Scope(service, environment) in declared.scopes(environment)
    ]
    # By line, because the message of one error may differ in the name of the environment.
    found: dict[int, tuple[str, list[str]]] = {}
    for scope in scopes:
        try:
            compile_declared(declared, scope, config)
        except TemplateRejected as error:
            found.setdefault(error.line, (str(error), []))[1].append(scope.environment)
    for text, environments in found.values():
        is_everywhere = len(environments) == len(scopes)
        yield text if is_everywhere else f"{text} (in {', '.join(environments)})"
