"""Machine and human identities: AppRoles for services and jobs, userpass logins for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from app_integration.names import APPROLE_MOUNT
from app_integration.session.session import Session
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, ReadSession, StoredObject
from vault.reconcile.resources.mounts import MaxTtlTooLow
from vault.reconcile.resources.ownership import OwnershipEntry
from vault.reconcile.resources.tokens import AuthRole, TokenRules, comparable_role
from vault.reconcile.resources.write_only import WriteOnly

_USERPASS: Final = "auth/userpass"


@dataclass(frozen=True, slots=True)
class AppRole(AuthRole):
    """An AppRole: the identity of a service or of a job.

    TTLs are in seconds. A *secret_id_ttl* of 0 is no limit; *token_ttl* is the maximum TTL, too.
    """

    kind: ClassVar[str] = "approle"
    depends_on: ClassVar[tuple[str, ...]] = ("policy",)
    listed_at: ClassVar[str] = "{auth}/role"

    name: str
    policies: tuple[str, ...]
    token_period: int = 0
    token_ttl: int = 0
    secret_id_ttl: int = 0
    mount: str = APPROLE_MOUNT

    def desired(self) -> Fields:
        """Return policies and TTLs. Uses are unlimited, because a limit breaks renewals."""
        tokens = TokenRules(self.policies, self.token_period, self.token_ttl, self.token_ttl)
        return {
            **tokens.fields(),
            "bind_secret_id": True,
            "secret_id_num_uses": 0,
            "secret_id_ttl": self.secret_id_ttl,
        }

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or update the role. Secret-ids that were already issued stay valid."""
        session.post(self._path, self.desired())
        if self.secret_id_ttl:
            granted = self._probe_secret_id_ttl(session)
            if granted != self.secret_id_ttl:
                raise MaxTtlTooLow(self, "secret_id_ttl", self.secret_id_ttl, granted)

    def _probe_secret_id_ttl(self, session: Session) -> int:
        """Return the TTL in seconds of a secret-id issued for this check, then destroyed.

        The role itself reads as it was written, so only an issued secret-id shows the server's cap.
        """
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


@dataclass(frozen=True, slots=True)
class UserpassLogin(StoredObject):
    """A person's login by username and password."""

    kind: ClassVar[str] = "userpass"
    depends_on: ClassVar[tuple[str, ...]] = ("policy", "transit-key")
    listed_at: ClassVar[str] = "auth/userpass/users"

    name: str
    policies: tuple[str, ...]
    token_ttl: int
    token_max_ttl: int
    inputs: Inputs
    ownership: OwnershipEntry

    def desired(self) -> Fields:
        """Return policies, TTLs in seconds and, if the operator provides a password, its state."""
        return {**self._role_fields(), **self._password.desired()}

    def check(self, before: Fields | None) -> None:
        """Check that the operator provides the password, if it is needed."""
        if self._needs_password(before):
            self.inputs.get_required(self._path)

    def write(self, session: Session, before: Fields | None) -> None:
        """Create the login with its password, or update it.

        An update sends the password only if it changed.
        """
        body = {key: value for key, value in self.desired().items() if key != "password"}
        sends_password = self._needs_password(before)
        if sends_password:
            body["password"] = self.inputs.get_required(self._path).reveal()
        session.post(self._path, body)
        if sends_password:
            self.ownership.write(session, self._password.fingerprint_metadata(session))

    def _needs_password(self, before: Fields | None) -> bool:
        return before is None or before.get("password") != self.desired().get("password")

    def _role_fields(self) -> Fields:
        return {
            "token_policies": sorted(self.policies),
            "token_ttl": self.token_ttl,
            "token_max_ttl": self.token_max_ttl,
            "token_explicit_max_ttl": 0,
        }

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:
        found = comparable_role(reader, _USERPASS, self._role_fields(), data)
        return {**found, **self._password.read(reader)}

    @property
    def _password(self) -> WriteOnly:
        return WriteOnly(self.ownership, self.inputs.get(self._path), low_entropy=True)

    @property
    def _path(self) -> str:
        return f"{_USERPASS}/users/{self.name}"
