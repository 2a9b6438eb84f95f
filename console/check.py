"""Check of a declaration and its templates, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.compiler.compile import compile_file
from agent.errors import TemplateRejected
from app_integration.names import Scope
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.repository import Repository


def find_faults(repository: Repository) -> tuple[str, ...]:
    """Return every fault as text with file and line: of the declaration, or else of its templates.

    The compiler stops at the first fault of a template. Templates are compiled for each environment
    in which their service runs.

    Args:
        repository: Contains declaration and templates.

    """
    try:
        declared = repository.load()
    except DeclarationError as error:
        return tuple(map(str, error.errors))
    return tuple(
        fault for service in declared.services for fault in _template_faults(declared, service)
    )


def _template_faults(declared: Declaration, service: str) -> Iterator[str]:
    """Yield each fault of the template of *service*, with its environments if it has no others."""
    scopes = [
        Scope(service, environment)
        for environment in declared.environments
        if Scope(service, environment) in declared.scopes(environment)
    ]
    # By line, because the message of one fault may differ in the name of the environment.
    faults: dict[int, tuple[str, list[str]]] = {}
    for scope in scopes:
        if error := _compile_error(declared, scope):
            faults.setdefault(error.line, (str(error), []))[1].append(scope.environment)
    for text, environments in faults.values():
        is_everywhere = len(environments) == len(scopes)
        yield text if is_everywhere else f"{text} (in {', '.join(environments)})"


def _compile_error(declared: Declaration, scope: Scope) -> TemplateRejected | None:
    config = declared.service(scope.service).config
    if config is None:
        return None
    path = declared.template_root / scope.service / config.template
    try:
        compile_file(
            Path(load.display_path(path)),
            scope=scope,
            secrets=declared.secrets(scope),
            settings=declared.settings(scope),
            adopted=declared.adopted(scope),
            mounts=declared.environment(scope.environment).mounts,
        )
    except TemplateRejected as error:
        return error
    return None
