"""Variables that the tool writes for an application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent.targets.settings import service_settings
from app_integration.names import Environment, Scope
from vault.declare.application_variables import application_variables
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.setting import Setting

STORE, PROD = Scope("gaara-store", Environment.DEV), Scope("gaara-store", Environment.PROD)
SETTING = Setting.model_validate({"type": "text", "description": "Of the application."})


def changed(**update: Any) -> Declaration:
    """Return the declaration with another one of the store."""
    declaration = load()
    store = declaration.services["gaara-store"].model_copy(update=update)
    return replace(declaration, services={**declaration.services, "gaara-store": store})


def names(declaration: Declaration) -> Mapping[str, str]:
    """Return the variables of the store on this machine that name the environment."""
    variables = application_variables(declaration, STORE, "development")
    return {name: value for name, value in variables.items() if name.endswith("ENVIRONMENT")}


def test_environment_is_named_by_the_common_variable() -> None:
    assert names(load()) == {"ENVIRONMENT": "development"}


def test_application_with_such_a_setting_keeps_its_variable() -> None:
    declaration = changed(settings={"environment": SETTING})
    assert names(declaration) == {"STRONGROOM_ENVIRONMENT": "development"}


def test_targets_elsewhere_have_the_same_variables() -> None:
    declaration = changed(settings={"environment": SETTING})
    variables = service_settings(declaration, PROD).variables
    assert variables == {
        **application_variables(declaration, PROD),
        "VAULT_ADDR": "https://vault.example.com:8200",
    }
    assert variables["STRONGROOM_ENVIRONMENT"] == "prod"
