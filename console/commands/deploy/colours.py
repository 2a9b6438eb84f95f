"""Colours of a service: the option that names one, and its AppRole."""

from __future__ import annotations

from typing import Annotated

import typer

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.errors import join_names

Colour = Annotated[
    str | None, typer.Option("--colour", help="one of the service's colours in the environment")
]


def find_role(declaration: Declaration, scope: Scope, colour: str) -> str:
    """Return the AppRole of one colour of a service."""
    colours = declaration.deployment(scope).colours
    if colour not in colours:
        raise ConfigurationError(
            f"{scope.service} has no colour {colour!r} in {scope.environment} (expected "
            f"{join_names(colours)}); declare it under 'colours' there"
        )
    return scope.colour(colour)
