"""Static database roles, and the secrets that are composed with their passwords.

Creating a role makes the server set the database user's password at once, so the previous password
stops working. Therefore the secret's entry is prepared before: it then has both the previous value
and the template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from app_integration._internal.server_urls import is_postgresql
from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import (
    COMPOSED_KEY,
    KV_MOUNT,
    PASSWORD_PLACEHOLDER,
    TEMPLATE_KEY,
    USERNAME_PLACEHOLDER,
    VALUE_KEY,
)
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.transport.payloads import adopted_template
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, ReadSession, StoredObject, check_immutable, read_data
from vault.reconcile.resources.kv import (
    data_path,
    find_no_value,
    merge_metadata,
    metadata_path,
    write_fields,
)

if TYPE_CHECKING:
    from sqlalchemy import URL

#: Marks a secret that is being adopted: no version has only a template yet.
_NOT_YET: Final = "0"


class NotAdoptable(ConfigurationError):
    """A value that cannot be turned into a template; nothing was written."""


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """Latest version of a KV entry, whose *version* is 0 if there is none.

    *template* is None unless the secret is adopted, even if a field has that name.
    """

    version: int
    fields: Mapping[str, Any] = field(repr=False)  # holds the value
    template: str | None

    @property
    def value(self) -> Any:
        """Return the field for the value, None if there is none."""
        return self.fields.get(VALUE_KEY)


@dataclass(frozen=True, slots=True)
class StaticRole(StoredObject):
    """A permanent database user whose password the server rotates.

    *secret* is the path of the one that is composed with the password; *rotation_period* is in
    seconds.
    """

    kind: ClassVar[str] = "static-role"
    depends_on: ClassVar[tuple[str, ...]] = ("database-connection", "secret-metadata")
    listed_at: ClassVar[str] = "{database}/static-roles"

    name: str
    connection: str
    username: str
    rotation_period: int
    secret: str
    inputs: Inputs
    mounts: Mounts = DEFAULT_MOUNTS

    def desired(self) -> Fields:
        """Return the user, the connection, and how often its password rotates."""
        return {
            "db_name": self.connection,
            "username": self.username,
            "rotation_period": self.rotation_period,
            "rotation_statements": [],
        }

    def check(self, before: Fields | None) -> None:
        """Check that an existing role is for the same user."""
        check_immutable(self, before, ("username",))

    def write(self, session: Session, before: Fields | None) -> None:
        """Create the role, which rotates the password, or change its period, which does not."""
        self.check(before)
        if before is None:
            self.prepare(session)
        session.post(self._path, self.desired(), retry=False)

    def prepare(self, session: Session) -> None:
        """Prepare the secret for the rotation of the password by the role's creation."""
        ensure_template(session, self.secret, self.username, self.inputs, self.mounts.kv)

    @property
    def _path(self) -> str:
        return f"{self.mounts.database}/static-roles/{self.name}"


@dataclass(frozen=True, slots=True)
class PairRole(StaticRole):
    """One of the two users of a paired secret. The secret's entry has the URL of one of them."""

    def prepare(self, session: Session) -> None:
        """Check that the secret is not a URL of this user, whose password is about to change."""
        current = read_entry(session, self.secret, self.mounts.kv)
        provided = self.inputs.get(f"{self.mounts.kv}/{self.secret}")
        value = Secret(current.value) if current.value is not None else provided
        if value is None:
            return
        if parse_database_url(value, self.secret).username == self.username:
            raise NotAdoptable(
                f"{self.secret} is a URL of {self.username}, whose password the server would "
                "change; pair two users that are not in use, and rotate the secret then"
            )


@dataclass(frozen=True, slots=True)
class AdoptedSecret:
    """A secret whose entry has a template instead of a password."""

    kind: ClassVar[str] = "adopted-secret"
    depends_on: ClassVar[tuple[str, ...]] = ("secret-metadata", "static-role")

    name: str
    username: str
    inputs: Inputs
    mount: str = KV_MOUNT

    def desired(self) -> Fields:
        """Return ``composed``: the entry has only a template."""
        return {"value": "composed"}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the value's state, None if the secret has never had one.

        It is ``composed``, ``given``, ``deleted`` or ``destroyed``. This compares version
        numbers only, because a plan must not read secret values.
        """
        data = read_data(reader, metadata_path(self.name, self.mount))
        if data is None or not data["current_version"]:
            return None
        composed = (data["custom_metadata"] or {}).get(COMPOSED_KEY)
        state = "composed" if composed == str(data["current_version"]) else "given"
        return {"value": find_no_value(data, datetime.now(UTC)) or state}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Remove the value, so that only the template stays, and record that version."""
        ensure_template(session, self.name, self.username, self.inputs, self.mount)
        current = read_entry(session, self.name, self.mount)
        version = current.version
        if VALUE_KEY in current.fields:
            content = {TEMPLATE_KEY: str(current.template)}
            version = write_fields(session, self.name, content, cas=version, mount=self.mount)
        merge_metadata(session, self.name, {COMPOSED_KEY: str(version)}, self.mount)


def ensure_template(
    session: Session, secret: str, username: str, inputs: Inputs, mount: str = KV_MOUNT
) -> None:
    """Ensure that the entry of *secret* has a template. An existing value stays beside it."""
    current = read_entry(session, secret, mount)
    if current.template is not None:
        return
    check_no_other_fields(current, secret)
    value = current.value or inputs.get_required(f"{mount}/{secret}").reveal()
    template_url = template_from_url(Secret(value), secret, username)
    # The mark is written first, because a template without it would be an ordinary field.
    merge_metadata(session, secret, {COMPOSED_KEY: _NOT_YET}, mount)
    content = {VALUE_KEY: value, TEMPLATE_KEY: template_url}
    write_fields(session, secret, content, cas=current.version, mount=mount)


def check_no_other_fields(current: SecretEntry, secret: str) -> None:
    """Raise NotAdoptable if the entry has another field, because a template replaces all."""
    if others := sorted(current.fields.keys() - {VALUE_KEY}):
        raise NotAdoptable(
            f"{secret} has other fields ({', '.join(others)}), which an adopted secret cannot "
            "keep; move them to a secret of their own, and write this one with strongroom put"
        )


def template_from_url(value: Secret, secret: str, username: str | None = None) -> str:
    """Return the URL *value* with placeholders for its username and password."""
    url = parse_database_url(value, secret)
    if username is not None and url.username != username:
        raise NotAdoptable(
            f"{secret} is a URL of the database user {url.username}, not {username}; write one of "
            f"{username}"
        )
    without_credentials = type(url).create(
        url.drivername, host=url.host, port=url.port, database=url.database, query=url.query
    )
    scheme, _, rest = without_credentials.render_as_string().partition("://")
    rest = rest.replace("{", "%7B").replace("}", "%7D")
    return f"{scheme}://{USERNAME_PLACEHOLDER}:{PASSWORD_PLACEHOLDER}@{rest}"


def parse_database_url(value: Secret, secret: str) -> URL:
    """Return the parts of the database URL *value*."""
    # Here, because it takes a quarter of the time in which most commands start.
    from sqlalchemy import make_url  # noqa: PLC0415 (few commands need it)
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 (few commands need it)

    try:
        url = make_url(value.reveal())
    except (ArgumentError, ValueError):
        raise NotAdoptable(
            f"{secret} holds no URL; write that of a database with strongroom put"
        ) from None
    if not (is_postgresql(url.drivername) and url.host and url.database):
        raise NotAdoptable(
            f"{secret} holds no URL of a PostgreSQL database; write one with strongroom put"
        )
    if not (url.username and url.password):
        raise NotAdoptable(f"{secret} holds a URL without user and password; write one with both")
    return url


def read_entry(reader: ReadSession, secret: str, mount: str = KV_MOUNT) -> SecretEntry:
    """Return the latest version of *secret*, a path below the mount; version 0 if there is none."""
    data = read_data(reader, data_path(secret, mount))
    if data is None:
        return SecretEntry(0, {}, None)
    fields, metadata = data["data"], data["metadata"]
    adopted = adopted_template(metadata["custom_metadata"] or {}, fields)
    return SecretEntry(metadata["version"], fields, adopted)
