"""Shared values of dev: one encrypted file for each service, which any member opens."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from app_integration._internal.formats import DEV_VALUES
from app_integration._internal.input_file import read_input
from app_integration._internal.secret_value import check_secret_value
from app_integration.encryption.files.recipient import MAX_RECIPIENTS
from app_integration.encryption.files.x25519 import PRIVATE_PREFIX, parse_public_key
from app_integration.encryption.tokens.encryption_context import Context
from app_integration.errors import (
    ConfigurationError,
    DecryptionFailed,
    EncryptionError,
    InvalidName,
)
from app_integration.host_commands.options import offline_cipher
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from vault.declare.declaration import Declaration
from vault.declare.dev_values.identity import read_public_keys
from vault.declare.schema.secret_sources import Given

FILE: Final = "members"
_EXPECTED: Final = "expected a public key of age, which begins with age1, and a name"


def read_members(path: Path) -> Mapping[str, str]:
    """Return the name of each member by public key; none if there is no file."""
    try:
        text = read_input(path).decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"{path} cannot be read: {reason}; correct it") from None
    members: dict[str, str] = {}
    for place, key, name in _lines(path, text):
        if key in members:
            raise ConfigurationError(f"{place}: the key is there twice; remove one of the lines")
        members[key] = name
    if len(members) > MAX_RECIPIENTS:
        raise ConfigurationError(
            f"{path} has {len(members)} members, and a file has room for {MAX_RECIPIENTS}; let "
            "several share a key"
        )
    return members


def _lines(path: Path, text: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, key and name of each line that is neither empty nor a comment."""
    for number, line in enumerate(text.splitlines(), start=1):
        key, name = (*line.split(None, 1), "", "")[:2]
        if not key or key.startswith("#"):
            continue
        place = f"{path}:{number}"
        if PRIVATE_PREFIX in line.lower():
            raise ConfigurationError(
                f"{place}: the line has a private key; remove it, make another key pair, and add "
                "that one's public key"
            )
        try:
            parse_public_key(key)
        except EncryptionError:
            raise ConfigurationError(f"{place}: the line has no key ({_EXPECTED})") from None
        if not name.strip().isprintable() or not name.strip():
            raise ConfigurationError(f"{place}: the key has no name ({_EXPECTED})")
        yield place, key, name.strip()


FOLDER: Final = "dev-values"


@dataclass(frozen=True, slots=True)
class SharedValues:
    """Content of one file: its *members* by public key, and the *values* by secret."""

    members: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Secret] = field(default_factory=dict, repr=False)

    def renew(
        self, members: Mapping[str, str], added: Mapping[str, Secret], declared: Collection[str]
    ) -> SharedValues:
        """Return these values with those that were *added*, without those not *declared* now."""
        values = {**self.values, **added}
        return SharedValues(members, {name: values[name] for name in declared if name in values})

    def departed(self, members: Mapping[str, str]) -> list[str]:
        """Return the names of former members: they can open this file, and are no *members*."""
        return [name for key, name in self.members.items() if key not in members]

    def unchanged(self, after: SharedValues) -> list[str]:
        """Return the names of the values that are the same in *after*."""
        return [name for name, value in after.values.items() if self.values.get(name) == value]


class SharedFiles:
    """Files of the repository of *declaration*, for the developer with the keys in *identity*."""

    def __init__(self, declaration: Declaration, identity: Path) -> None:
        self._declaration = declaration
        self._identity = identity
        self._folder = declaration.project / FOLDER
        declared = declaration.environment(Environment.DEV)
        self._context: Context = {"of": "dev values", "deployment": declared.deployment}
        self.mount = declared.mounts.kv

    def path(self, scope: Scope) -> Path:
        """Return the file of a service."""
        return self._folder / f"{scope.service}.encrypted"

    @property
    def scopes(self) -> list[Scope]:
        """Return the services that have a file."""
        every = self._declaration.scopes(Environment.DEV)
        return [scope for scope in every if self.path(scope).exists()]

    @cached_property
    def members(self) -> Mapping[str, str]:
        """Return the members. See :func:`read_members`."""
        return read_members(self._folder / FILE)

    @cached_property
    def is_member(self) -> bool:
        """Return whether this developer is one of the members."""
        return any(key in self.members for key in read_public_keys(self._identity))

    def check_member(self) -> None:
        """Check that this developer is one of the members."""
        if not self.is_member:
            raise ConfigurationError(
                f"the key in {self._identity} is not a member's; print the public key, and make it "
                f"if there is none, with: strongroom dev-values key; add the line KEY NAME to "
                f"{self._folder / FILE}; then have a member run: strongroom dev-values share"
            )

    def shareable(self, scope: Scope) -> list[str]:
        """Return the secrets whose values can be shared: those that are given in dev."""
        own = self._declaration.own_secrets(scope)
        return [name for name, source in own.items() if isinstance(source, Given)]

    def read(self, scope: Scope) -> SharedValues:
        """Return the content of a service's file, which is empty if there is none."""
        path, cipher = self.path(scope), offline_cipher(scope)
        if not path.exists():
            return SharedValues()
        try:
            with cipher.open(path, context=self._context, identity=self._identity) as file:
                return _parse(path, file.read())
        except DecryptionFailed:
            raise ConfigurationError(
                f"{path} cannot be opened with the key in {self._identity}: the file was changed, "
                "or not encrypted again since the key was added; restore it with git, or let "
                "another member run: strongroom dev-values share"
            ) from None

    def usable(self, scope: Scope) -> dict[str, Secret]:
        """Return the values of a service's file that its secrets of now can have. See :meth:`read`.

        A file may have others, because it is of another branch, or was written by another program.
        """
        names, values = self.shareable(scope), self.read(scope).values
        return {name: values[name] for name in names if name in values}

    def write(self, scope: Scope, shared: SharedValues) -> None:
        """Replace a service's file, encrypted under a new key for the members of *shared*."""
        values = {name: value.reveal() for name, value in shared.values.items()}
        content = {"format": DEV_VALUES.current, "members": {**shared.members}, "values": values}
        recipients = list(shared.members)
        cipher = offline_cipher(scope)
        with cipher.create(self.path(scope), context=self._context, recipients=recipients) as file:
            file.write(json.dumps(content).encode())

    def inputs(self) -> dict[str, Secret]:
        """Return each shared value by the API path of its secret, if this developer is a member."""
        if not self.scopes or not self.is_member:
            return {}
        return {
            f"{self.mount}/{scope.secret(name)}": value
            for scope in self.scopes
            for name, value in self.usable(scope).items()
        }


def _parse(path: Path, content: bytes) -> SharedValues:
    """Return *content*, which any client that can push to the repository may have written."""
    try:
        parsed = dict(json.loads(content))
        if refusal := DEV_VALUES.describe_refusal(parsed.get("format")):
            raise ConfigurationError(f"{path} {refusal}")
        members, values = (dict(parsed[key]) for key in ("members", "values"))
    except (ValueError, TypeError, KeyError):
        raise ConfigurationError(f"{path} contains no values; restore it with git") from None
    if not all(isinstance(each, str) for each in (*members.values(), *values.values())):
        raise ConfigurationError(f"{path} has values that are no text; restore it with git")
    for name, value in values.items():
        _check(path, name, value)
    return SharedValues(members, {name: Secret(value) for name, value in values.items()})


def _check(path: Path, name: str, value: str) -> None:
    try:
        check_secret_value(repr(name), value)
    except InvalidName as error:
        raise ConfigurationError(f"{path}: {error}") from None
