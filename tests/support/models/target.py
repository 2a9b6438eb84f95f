"""Settings of an agent that is built for a target, of a service that is not the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from agent.targets.settings import TargetSettings
from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.names import Environment, Scope
from vault.declare.schema.model import Agent, Config, Deployment

SCOPE = Scope("tracking", Environment("staging"))
TEMPLATE = 'token: {{ secret("carrier-token") }}\n'
ADDRESS = "https://vault.example.com:8200"


def tracking_settings(
    address: str = ADDRESS, extra: Sequence[str] = (), **fields: Any
) -> TargetSettings:
    agent = {key: value for key, value in fields.items() if key in Agent.model_fields}
    config = {key: value for key, value in fields.items() if key in Config.model_fields}
    compiled = compile_text(
        TEMPLATE,
        "app.yaml.j2",
        TemplateContext(scope=SCOPE, secrets=["carrier-token"], settings={}),
    )
    return TargetSettings(
        scope=SCOPE,
        addresses=(address, *extra),
        mounts=DEFAULT_MOUNTS,
        agent=Agent.model_validate({"render_interval": "5m", **agent}),
        deployment=Deployment(),
        application={"STRONGROOM_SERVICE": SCOPE.service, "ENVIRONMENT": SCOPE.environment.value},
        config=Config.model_validate(
            {"template": "app.yaml.j2", "model": "models:Config", **config}
        ),
        template=compiled.text,
    )
