"""Check of a declaration, its templates and the tests of its policies, without a server."""

from __future__ import annotations

from collections.abc import Iterator

from agent.compiler.declared_template import compile_declared
from agent.errors import TemplateRejected
from app_integration.names import Scope
from vault.audit.anomalies import rules as anomaly_rules
from vault.declare import source_file
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.policy_files import read_tests
from vault.declare.repository import Repository
from vault.declare.schema.model import Config
from vault.monitoring.alerts import read_monitoring
from vault.rollout import rules as rollout_rules


def find_errors(repository: Repository) -> tuple[str, ...]:
    """Return every error as text with file and line: of the declaration, or else of what needs it.

    That is the tests of policies, the rules of anomalies and rollouts, the monitoring, and the
    templates. The compiler stops at the first error of a template. Templates are compiled for each
    environment in which their service runs.

    Args:
        repository: Contains declaration, templates and policies.

    """
    try:
        declared = repository.load()
    except DeclarationError as error:
        return tuple(map(str, error.errors))
    errors = [
        *_policy_test_errors(repository, declared),
        *_anomaly_rule_errors(repository),
        *_monitoring_errors(repository, declared),
        *_rollout_rule_errors(repository, declared),
    ]
    for name, service in declared.services.items():
        if service.config is not None:
            errors += _template_errors(declared, name, service.config)
    return tuple(errors)


def _policy_test_errors(repository: Repository, declared: Declaration) -> Iterator[str]:
    try:
        read_tests(repository.policies, declared)
    except DeclarationError as error:
        yield from map(str, error.errors)


def _anomaly_rule_errors(repository: Repository) -> Iterator[str]:
    try:
        anomaly_rules.read_rules(source_file.find(repository.declaration, anomaly_rules.FILE))
    except DeclarationError as error:
        yield from map(str, error.errors)


def _rollout_rule_errors(repository: Repository, declared: Declaration) -> Iterator[str]:
    file = source_file.find(repository.declaration, rollout_rules.FILE)
    try:
        if file is not None:
            rollout_rules.read_file(file, declared.services)
    except DeclarationError as error:
        yield from map(str, error.errors)


def _monitoring_errors(repository: Repository, declared: Declaration) -> Iterator[str]:
    try:
        read_monitoring(repository.declaration, declared)
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
