"""Identities: AppRoles for services and jobs, userpass logins for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app_integration.names import APPROLE_MOUNT
from app_integration.session.session import Session
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, Reader, pick, read_data
from vault.reconcile.resources.ownership import write_note
from vault.reconcile.resources.write_only import WriteOnly


@dataclass(frozen=True, slots=True)
class AppRole:
    """A machine's identity.

    Attributes:
        token_period: seconds; a periodic token lives on as long as it is renewed in time.
        token_ttl: seconds that a token without a period lives, at most.
        secret_id_ttl: seconds a secret-id lives; 0 for ever.
    """

    kind: ClassVar[str] = "approle"

    name: str
    policies: tuple[str, ...]
    token_period: int = 0
    token_ttl: int = 0
    secret_id_ttl: int = 0

    def desired(self) -> Fields:
        """Policies and lifetimes. No use counts: they break an agent's renewals."""
        return {
            "token_policies": sorted(self.policies),
            "token_period": self.token_period,
            "token_ttl": self.token_ttl,
            "token_max_ttl": self.token_ttl,
            "token_num_uses": 0,
            "token_no_default_policy": True,
            "bind_secret_id": True,
            "secret_id_num_uses": 0,
            "secret_id_ttl": self.secret_id_ttl,
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the role on the server."""
        data = read_data(reader, self._path)
        if data is None:
            return None
        return pick(self.desired(), {**data, "token_policies": sorted(data["token_policies"])})

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or change it; secret-ids already issued stay."""
        session.post(self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"auth/{APPROLE_MOUNT}/role/{self.name}"


@dataclass(frozen=True, slots=True)
class UserpassLogin:
    """A person's login by user name and password.

    Attributes:
        record: path of the note that holds the password's fingerprint.
    """

    kind: ClassVar[str] = "userpass"

    name: str
    policies: tuple[str, ...]
    token_ttl: int
    token_max_ttl: int
    supply: Inputs
    record: str

    def desired(self) -> Fields:
        """Policies, lifetimes in seconds, and the password if one is given."""
        return {
            "token_policies": sorted(self.policies),
            "token_ttl": self.token_ttl,
            "token_max_ttl": self.token_max_ttl,
            **self._password.desired(),
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the login on the server."""
        data = read_data(reader, self._path)
        if data is None:
            return None
        policies = {"token_policies": sorted(data["token_policies"])}
        return pick(self.desired(), {**data, **policies, **self._password.read(reader)})

    def write(self, session: Session, before: Fields | None) -> None:
        """Create it with its password, or change what differs."""
        body = {key: value for key, value in self.desired().items() if key != "password"}
        renewed = before is None or before.get("password") != self.desired().get("password")
        if renewed:
            body["password"] = self.supply.required(self._path).reveal()
        session.post(self._path, body)
        if renewed:
            write_note(session, self.record, self._password.notes(session))

    @property
    def _password(self) -> WriteOnly:
        return WriteOnly(self.record, self.supply.get(self._path))

    @property
    def _path(self) -> str:
        return f"auth/userpass/users/{self.name}"
