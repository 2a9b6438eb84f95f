"""Secrets of an environment that its Lambda function rotates, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from aws.account import Account
from aws.rotation.instructions import (
    ANNOUNCED_TAG,
    HOW_TAG,
    MIN_AGE_TAG,
    GeneratedInstructions,
    Instructions,
    PairInstructions,
)
from aws.rotation.manager import manager_secret
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted_secret import ROTATE_EVERY
from vault.declare.schema.aws import min_rotation_age
from vault.declare.schema.secret_sources import Generated, Given


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """How a secret is rotated.

    *every* is the seconds between two rotations, and *min_age* those that a version must have been
    current before the next one.
    """

    every: int
    min_age: int
    instructions: Instructions
    is_announced: bool = False

    @property
    def tags(self) -> dict[str, str | None]:
        """Return the tags that the function reads, None for one that must be absent."""
        announced = "next" if self.is_announced else None
        how, age = str(self.instructions), str(self.min_age)
        return {HOW_TAG: how, MIN_AGE_TAG: age, ANNOUNCED_TAG: announced}


def find_rotated(declaration: Declaration, scope: Scope) -> Mapping[str, RotatedSecret]:
    """Return the name of each secret of the service that the function rotates → how.

    There are none in an environment without the function. A given secret that is not paired is
    changed by its owner.
    """
    aws = declaration.environment(scope.environment).aws
    if aws is None or aws.rotation_function is None:
        return {}
    paired, found = declaration.paired(scope), {}
    for name, source in declaration.secrets(scope).items():
        if name in paired and isinstance(source, Given):
            every = source.rotate_every or ROTATE_EVERY
            how: Instructions = PairInstructions(paired[name])
        elif isinstance(source, Generated) and source.rotate_every:
            every = source.rotate_every
            how = GeneratedInstructions(source.length, source.alphabet)
        else:
            continue
        announce_for = source.announce_for if isinstance(source, Generated) else None
        age = max(min_rotation_age(source.retire_after), announce_for or 0)
        found[name] = RotatedSecret(every, age, how, announce_for is not None)
    return found


def find_function(declaration: Declaration, environment: Environment) -> str:
    """Return the ARN of the function that rotates the secrets of an environment."""
    declared = declaration.account(environment)
    if declared.rotation_function is None:
        raise ConfigurationError(
            f"{environment} declares no function; add rotation_function to 'aws' in its file"
        )
    return Account.of(declared).function(declared.rotation_function)


def find_function_role(declaration: Declaration, environment: Environment) -> str | None:
    """Return the role of the function, None if the environment makes no roles."""
    declared = declaration.account(environment)
    if declared.roles is None or declared.rotation_function is None:
        return None
    return f"{declared.rotation_function}_{environment}"


def find_manager(declaration: Declaration, scope: Scope) -> str | None:
    """Return the secret of the database manager; None if no user of the service is rotated."""
    for name, rotated in find_rotated(declaration, scope).items():
        if isinstance(rotated.instructions, PairInstructions):
            return manager_secret(scope.secret(name))
    return None
