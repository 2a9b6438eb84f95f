"""Settings of a delivery without an agent, from the declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.compiler.sdk_skeleton import build_skeleton
from agent.compiler.template_compiler import compile_declared
from agent.targets import settings
from agent.targets.settings import declared_addresses, declared_config
from app_integration._internal.server_urls import address_variables
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.rendering.skeleton import SUFFIX, Skeleton
from vault.declare.application_variables import application_variables
from vault.declare.declaration import Declaration
from vault.declare.load import display_path
from vault.declare.schema.model import Config


@dataclass(frozen=True, slots=True)
class SdkSettings:
    """What the declaration says about one delivery without an agent, the same for each target."""

    scope: Scope
    config: Config
    skeleton: Skeleton
    variables: Mapping[str, str]

    @property
    def skeleton_file(self) -> str:
        """Return the name of the skeleton's file."""
        return f"{self.config.file}{SUFFIX}"

    def watch_command(self, python: str, skeleton: Path, staging: Path, live: Path) -> list[str]:
        """Return the command that renders and delivers the file, and runs the application."""
        options = ["--from-sdk", str(skeleton)]
        return settings.watch_command(self.config, python, staging, live, options)


def sdk_settings(declaration: Declaration, scope: Scope, cacert: Path | None = None) -> SdkSettings:
    """Return the settings of the delivery of *scope*."""
    declaration.deployment(scope)
    config = declared_config(declaration, scope.service)
    compiled = compile_declared(declaration, scope, config)
    template = display_path(declaration.template_root / scope.service / config.template)
    return SdkSettings(
        scope=scope,
        config=config,
        skeleton=build_skeleton(compiled, scope, str(template), config.file),
        variables={
            **application_variables(declaration, scope),
            **_backend(declaration, scope, cacert),
        },
    )


def _backend(declaration: Declaration, scope: Scope, cacert: Path | None) -> dict[str, str]:
    """Return the variables of the server that has the secrets."""
    environment = scope.environment
    account = declaration.environment(environment).aws
    if account is None:
        address = address_variables(declared_addresses(declaration, environment))
        return address if cacert is None else {**address, "VAULT_CACERT": str(cacert)}
    if cacert is not None:
        raise ConfigurationError(
            f"{environment} is on AWS, where --cacert has no meaning; set AWS_CA_BUNDLE there"
        )
    arns = declaration.deployment(scope).secret_arns.items()
    lists = {
        "STRONGROOM_AWS_REPLICAS": ",".join(account.replicas),
        "STRONGROOM_SECRET_ARNS": ",".join(f"{name}={arn}" for name, arn in arns),
    }
    further = {name: text for name, text in lists.items() if text}
    return {"SECRETS_BACKEND": "aws", "AWS_REGION": account.region, **further}
