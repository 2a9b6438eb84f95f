"""Template of a service, compiled with the names and values that are declared for it."""

from __future__ import annotations

from pathlib import Path

from agent.compiler.template_compiler import CompiledTemplate, compile_file
from agent.compiler.template_context import TemplateContext
from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.load import display_path
from vault.declare.schema.model import Config


def compile_declared(declaration: Declaration, scope: Scope, config: Config) -> CompiledTemplate:
    """Compile the template of *config*, which the service of *scope* declares."""
    return compile_file(
        Path(display_path(declaration.template_root / scope.service / config.template)),
        TemplateContext(
            scope=scope,
            secrets=declaration.secrets(scope),
            settings=declaration.settings(scope),
            adopted=declaration.adopted(scope),
            mounts=declaration.environment(scope.environment).mounts,
        ),
    )
