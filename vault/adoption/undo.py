"""The ways out of an adoption: back to a plain value, and another password at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.names import COMPOSED_KEY, DATABASE_MOUNT, VALUE_KEY
from app_integration.permissions import need
from app_integration.secret import Secret
from app_integration.sources.adopted_secret import compose
from vault.adoption.adopt import AdoptionContext, prove, role_exists, unfinished
from vault.declare.edit import environment_file
from vault.declare.schema.adopted import Adopted
from vault.dotenv.swap import Say
from vault.reconcile.resources.ownership import ownership_path as record_path
from vault.reconcile.resources.ownership import read_ownership
from vault.reconcile.resources.secrets import generate_value, merge_metadata, metadata_path
from vault.reconcile.resources.static_roles import (
    StaticRole,
    parse_database_url,
    read_entry,
    write_entry,
)
from vault.reconcile.resources.static_roles import template_from_url as template_of

#: Seconds that a password must still live, so that it isn't changed while it is being kept.
_QUIET: Final = 60
_LENGTH: Final = 40  # characters of a password that is made here

#: Sets the password of a database user, as an administrator of the database.
SetPassword = Callable[[str, Secret], None]


def undo(
    place: AdoptionContext, name: str, set_password: SetPassword | None, say: Say
) -> Secret | None:
    """Give *name* a plain value again, with a password that nobody changes.

    The server's last password is kept, so that files and processes that have it work on. When the
    server has none any more, *set_password* sets another.

    Gives the value; None when it wasn't adopted.

    Raises:
        ConfigurationError: no password is known, and none can be set; nothing was changed.
        Unfinished: a later step failed.

    """
    source = place.declaration().secrets(place.scope).get(name)
    held = read_entry(place.session, place.scope.secret(name))
    exists = role_exists(place, name)
    # The note that the role is ours goes last: until then a run that was killed is known by it.
    record = record_path(place.scope.environment, StaticRole.kind, place.scope.static_role(name))
    template = held.template is not None
    if not (
        exists or template or isinstance(source, Adopted) or read_ownership(place.session, record)
    ):
        say(f"{name} isn't adopted: nothing to undo")
        return None
    if template and not exists and held.value is None and set_password is None:
        raise ConfigurationError(
            f"the server has no password for {name}; give --admin-url-file FILE, a file with the "
            "URL of an administrator of the database, who sets one"
        )
    try:
        _keep(place, name, source, set_password, say)
        merge_metadata(place.session, place.scope.secret(name), {COMPOSED_KEY: None})
        value = _let_go(place, name, say)
        place.session.delete(metadata_path(record))
    except StrongroomError as error:
        raise unfinished(place, name, error) from None
    say(f"done: {name} is a plain value, which logs in")
    return value


def _let_go(place: AdoptionContext, name: str, say: Say) -> Secret:
    """Have neither declaration nor server change the password; gives the proven value."""
    file = place.environment_file
    if environment_file.remove(file, place.scope.service, name, place.template_root):
        say(f"recorded in {file}: {name} is given")
    if role_exists(place, name):
        place.session.delete(f"{DATABASE_MOUNT}/static-roles/{place.scope.static_role(name)}")
        say("the server changes the password no more")
    place.apply()
    value = place.read(name)
    prove(place, name, str(parse_database_url(value, name).username))
    place.deliver()
    return value


def _keep(
    place: AdoptionContext, name: str, source: object, set_password: SetPassword | None, say: Say
) -> None:
    """Write the secret's plain value, with the password of now."""
    path = place.scope.secret(name)
    held = read_entry(place.session, path)
    if held.template is None and not role_exists(place, name):
        return
    # A run that was killed has written a plain value; the server may have changed that password.
    template = held.template or template_of(Secret(held.value), name)
    if role_exists(place, name):
        username, password = _current(place, name)
        value = compose(template, username, password.reveal())
    elif held.value is not None:
        value = Secret(held.value)
    elif set_password is not None and isinstance(source, Adopted):
        password = generate_value(_LENGTH, "alphanumeric")
        set_password(source.username, password)
        value = compose(template, source.username, password.reveal())
    else:
        raise ConfigurationError(f"{name} isn't declared as adopted: whose password to set?")
    plain = {VALUE_KEY: value.reveal()}
    if held.fields != plain:
        write_entry(place.session, path, plain, held.version)
        say(f"{name} holds a plain value: the password of now")


def _current(place: AdoptionContext, name: str) -> tuple[str, Secret]:
    """User and password, which the server won't change within the next minute."""
    role = place.scope.static_role(name)
    path = need("read-static-user", role).path
    data = place.session.get(path)["data"]
    if data["ttl"] < _QUIET:
        place.session.post(f"{DATABASE_MOUNT}/rotate-role/{role}", retry=False)
        data = place.session.get(path)["data"]
    return data["username"], Secret(data["password"])


def rotate(place: AdoptionContext, name: str, say: Say) -> None:
    """Have the server set another password now, and the agent see it.

    Raises:
        ConfigurationError: *name* isn't adopted; nothing was changed.
        StrongroomError: the server refused, or the new password opens nothing.

    """
    source = place.declaration().secrets(place.scope).get(name)
    if not isinstance(source, Adopted):
        raise ConfigurationError(
            f"{name} isn't adopted by {place.scope}, so the server can't change its password; "
            f"write another with strongroom put {name}, or adopt it"
        )
    role = place.scope.static_role(name)
    place.session.post(f"{DATABASE_MOUNT}/rotate-role/{role}", retry=False)
    say(f"the server has set another password of {source.username}; the old one opens nothing")
    prove(place, name, source.username)
    say(f"proven: what {place.scope} reads as {name} logs in")
    place.deliver()
