"""Identities: AppRoles for services and jobs, userpass logins for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from app_integration.names import APPROLE_MOUNT
from app_integration.session.session import Session
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, Reader
from vault.reconcile.resources.mounts import Capped
from vault.reconcile.resources.ownership import write_note
from vault.reconcile.resources.tokens import read_role
from vault.reconcile.resources.write_only import WriteOnly

_APPROLE: Final = f"auth/{APPROLE_MOUNT}"
_USERPASS: Final = "auth/userpass"


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
            "token_explicit_max_ttl": 0,
            "token_num_uses": 0,
            "token_no_default_policy": True,
            "bind_secret_id": True,
            "secret_id_num_uses": 0,
            "secret_id_ttl": self.secret_id_ttl,
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the role on the server, its lifetimes as the mount grants them."""
        return read_role(reader, _APPROLE, self._path, self.desired())

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or change it; secret-ids already issued stay.

        Raises:
            Capped: a secret-id issued by it ends before it should.

        """
        session.post(self._path, self.desired())
        if self.secret_id_ttl:
            granted = self._issued_ttl(session)
            if granted != self.secret_id_ttl:
                raise Capped(self, "secret_id_ttl", self.secret_id_ttl, granted)

    def _issued_ttl(self, session: Session) -> int:
        """Seconds that a secret-id lives, as the server dates one; it is destroyed at once."""
        issued = session.post(f"{self._path}/secret-id", retry=False)["data"]
        accessor = {"secret_id_accessor": issued["secret_id_accessor"]}
        path = f"{self._path}/secret-id-accessor"
        try:
            found = session.post(f"{path}/lookup", accessor)["data"]
        finally:
            session.post(f"{path}/destroy", accessor)
        created, ends = (
            datetime.fromisoformat(found[field]) for field in ("creation_time", "expiration_time")
        )
        return round((ends - created).total_seconds())

    @property
    def _path(self) -> str:
        return f"{_APPROLE}/role/{self.name}"


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
        return {**self._role(), **self._password.desired()}

    def read(self, reader: Reader) -> Fields | None:
        """The same of the login on the server, its lifetimes as the mount grants them."""
        found = read_role(reader, _USERPASS, self._path, self._role())
        return None if found is None else {**found, **self._password.read(reader)}

    def write(self, session: Session, before: Fields | None) -> None:
        """Create it with its password, or change what differs."""
        body = {key: value for key, value in self.desired().items() if key != "password"}
        renewed = before is None or before.get("password") != self.desired().get("password")
        if renewed:
            body["password"] = self.supply.required(self._path).reveal()
        session.post(self._path, body)
        if renewed:
            write_note(session, self.record, self._password.notes(session))

    def _role(self) -> Fields:
        return {
            "token_policies": sorted(self.policies),
            "token_ttl": self.token_ttl,
            "token_max_ttl": self.token_max_ttl,
            "token_explicit_max_ttl": 0,
        }

    @property
    def _password(self) -> WriteOnly:
        return WriteOnly(self.record, self.supply.get(self._path), chosen=True)

    @property
    def _path(self) -> str:
        return f"{_USERPASS}/users/{self.name}"
