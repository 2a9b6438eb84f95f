"""Static database roles, and the secrets that are composed with their passwords.

Creating a role makes the server set the database user's password at once: what was given before
opens nothing from then on. So the secret's entry is made ready first, and says both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app_integration.errors import ConfigurationError
from app_integration.names import (
    COMPOSED_KEY,
    DATABASE_MOUNT,
    KV_MOUNT,
    TEMPLATE_KEY,
    VALUE_KEY,
)
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.sources.adopted_secret import PASSWORD, USERNAME
from app_integration.transport.answers import adopted_template
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, Reader, pick, read_data, refuse_change
from vault.reconcile.resources.secrets import data_path, merge_metadata, metadata_path

#: Of a secret that is being adopted: no version holds a template alone.
_NOT_YET: Final = "0"


class NotAdoptable(ConfigurationError):
    """A value that can't be turned into a template; nothing was written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a KV path holds.

    Attributes:
        version: 0 when it holds nothing.
        fields: all that is in it.
        template: of an adopted secret; of any other None, whatever its fields are called.

    """

    version: int
    fields: Mapping[str, Any]
    template: str | None

    @property
    def value(self) -> Any:
        """What is under the key of values; None when nothing is."""
        return self.fields.get(VALUE_KEY)


@dataclass(frozen=True, slots=True)
class StaticRole:
    """A database user that stays, and whose password the server changes.

    Attributes:
        rotation_period: seconds.
        secret: path, below the KV mount, of the secret that is composed with it.

    """

    kind: ClassVar[str] = "static-role"

    name: str
    connection: str
    username: str
    rotation_period: int
    secret: str
    supply: Inputs

    def desired(self) -> Fields:
        """Whose password, on which connection, how often."""
        return {
            "db_name": self.connection,
            "username": self.username,
            "rotation_period": self.rotation_period,
            "rotation_statements": [],
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the role on the server."""
        data = read_data(reader, self._path)
        return pick(self.desired(), data) if data is not None else None

    def write(self, session: Session, before: Fields | None) -> None:
        """Create it, which changes the password; or change its period, which doesn't."""
        refuse_change(self, before, ("username",))
        if before is None:
            prepare(session, self.secret, self.username, self.supply)
        session.post(self._path, self.desired(), retry=False)

    @property
    def _path(self) -> str:
        return f"{DATABASE_MOUNT}/static-roles/{self.name}"


@dataclass(frozen=True, slots=True)
class AdoptedSecret:
    """A secret that holds a template, and no password any more.

    Attributes:
        name: path below the KV mount.

    """

    kind: ClassVar[str] = "adopted-secret"

    name: str
    username: str
    supply: Inputs

    def desired(self) -> Fields:
        """That its value is composed."""
        return {"value": "composed"}

    def read(self, reader: Reader) -> Fields | None:
        """Compares version numbers only: no value is read for a plan."""
        data = read_data(reader, metadata_path(self.name))
        if data is None or not data["current_version"]:
            return None
        composed = (data["custom_metadata"] or {}).get(COMPOSED_KEY)
        return {"value": "composed" if composed == str(data["current_version"]) else "given"}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Leave the template alone in its entry, and note so."""
        prepare(session, self.name, self.username, self.supply)
        held = entry(session, self.name)
        version = held.version
        if VALUE_KEY in held.fields:
            template = {TEMPLATE_KEY: str(held.template)}
            version = write_entry(session, self.name, template, version)
        merge_metadata(session, self.name, {COMPOSED_KEY: str(version)})


def prepare(session: Session, secret: str, username: str, supply: Inputs) -> None:
    """See that the entry of *secret* has a template; a value that it has stays.

    Raises:
        NotAdoptable: its value is no URL of *username*, or it has further fields.
        ConfigurationError: it has no value, and none was given.

    """
    held = entry(session, secret)
    if held.template is not None:
        return
    check_fields(held, secret)
    value = held.value or supply.required(f"{KV_MOUNT}/{secret}").reveal()
    made = template(Secret(value), secret, username)
    # The mark goes first: a template without it would be a field like any other.
    merge_metadata(session, secret, {COMPOSED_KEY: _NOT_YET})
    write_entry(session, secret, {VALUE_KEY: value, TEMPLATE_KEY: made}, held.version)


def check_fields(held: Entry, secret: str) -> None:
    """See that nothing is lost: a template takes the place of the whole entry.

    Raises:
        NotAdoptable: there is something else.

    """
    if others := sorted(held.fields.keys() - {VALUE_KEY}):
        raise NotAdoptable(
            f"{secret} has further fields ({', '.join(others)}), which an adopted secret can't "
            "keep; move them to a secret of their own, and write this one with strongroom put"
        )


def template(value: Secret, secret: str, username: str | None = None) -> str:
    """The URL *value* with places where user and password were.

    Raises:
        NotAdoptable: it is no URL with host, database, user and password, or the user isn't
            *username*.

    """
    url = parsed(value, secret)
    if username is not None and url.username != username:
        raise NotAdoptable(f"{secret} is a URL of the database user {url.username}, not {username}")
    bare = URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database, query=url.query
    )
    scheme, _, rest = bare.render_as_string().partition("://")
    rest = rest.replace("{", "%7B").replace("}", "%7D")
    return f"{scheme}://{USERNAME}:{PASSWORD}@{rest}"


def parsed(value: Secret, secret: str) -> URL:
    """The parts of the database URL *value*.

    Raises:
        NotAdoptable: it is none with host, database, user and password.

    """
    try:
        url = make_url(value.reveal())
    except (ArgumentError, ValueError):
        raise NotAdoptable(f"{secret} holds no URL") from None
    if not (url.drivername.startswith("postgresql") and url.host and url.database):
        raise NotAdoptable(f"{secret} holds no URL of a PostgreSQL database")
    if not (url.username and url.password):
        raise NotAdoptable(f"{secret} holds a URL without user and password")
    return url


def entry(reader: Reader, secret: str) -> Entry:
    """What *secret*, a path below the mount, holds."""
    data = read_data(reader, data_path(secret))
    if data is None:
        return Entry(0, {}, None)
    fields, metadata = data["data"], data["metadata"]
    made = adopted_template(metadata["custom_metadata"] or {}, fields)
    return Entry(metadata["version"], fields, made)


def write_entry(session: Session, secret: str, content: Mapping[str, str], cas: int) -> int:
    """Write *content* as the version after *cas*, whose number comes back."""
    body = {"data": dict(content), "options": {"cas": cas}}
    version: int = session.post(data_path(secret), body, retry=False)["data"]["version"]
    return version
