"""Reversal of an adoption, and immediate rotation of an adopted secret's password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.names import COMPOSED_KEY, VALUE_KEY
from app_integration.permissions import need
from app_integration.secret import Secret
from app_integration.sources.adopted_secret import fill_template
from vault.adoption.adopt import (
    AdoptionContext,
    check_owners,
    role_exists,
    unfinished_error,
    verify_login,
)
from vault.declare.edit import environment_file
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.secret_sources import ALPHABETS
from vault.dotenv.swap import ProgressCallback
from vault.reconcile.resources.kv import merge_metadata, write_fields
from vault.reconcile.resources.secrets import generate_value
from vault.reconcile.resources.static_roles import (
    StaticRole,
    parse_database_url,
    read_entry,
    template_from_url,
)

#: Minimum TTL of the password in seconds, so that no rotation happens while it is being stored.
_MIN_TTL: Final = 60
_LENGTH: Final = 40  # characters of a generated password

#: Sets the password of a database user, as an administrator of the database.
SetPassword = Callable[[str, Secret], None]


def undo_adoption(
    context: AdoptionContext, name: str, set_password: SetPassword | None, say: ProgressCallback
) -> Secret | None:
    """Change an adopted secret back to a plain value, whose password the server never sets.

    Returns the value, or None if the secret was not adopted. The secret keeps the server's last
    password, so that files and processes with it continue to work. If the server has none,
    *set_password* sets a new one; it is None without an administrator.
    """
    source = context.declaration().secrets(context.scope).get(name)
    check_owners(context, name)
    owner = context.owner
    stored = read_entry(context.session, context.scope.secret(name), owner.mounts.kv)
    exists = role_exists(context, name)
    # Delete the ownership metadata of the role last, because it shows the next run that this one
    # was killed halfway.
    record = owner.entry(StaticRole.kind, context.scope.static_role(name))
    template = stored.template is not None
    if not (exists or template or isinstance(source, Adopted) or record.read(context.session)):
        say(f"{name} is not adopted: nothing to undo")
        return None
    if template and not exists and stored.value is None and set_password is None:
        raise ConfigurationError(
            f"the server has no password for {name}; pass --admin-url-file FILE, a file with the "
            "URL of an administrator of the database, so that a new one can be set"
        )
    try:
        _write_plain_value(context, name, source, set_password, say)
        unmarked: dict[str, str | None] = {COMPOSED_KEY: None}
        merge_metadata(context.session, context.scope.secret(name), unmarked, owner.mounts.kv)
        value = _stop_rotation(context, name, say)
        record.delete(context.session)
    except StrongroomError as error:
        raise unfinished_error(context, name, error) from None
    say(f"done: {name} is a plain value again, and the login with it works")
    return value


def _stop_rotation(context: AdoptionContext, name: str, say: ProgressCallback) -> Secret:
    """Remove the secret's adoption from declaration and server, and return the verified value."""
    file = context.environment_file
    if environment_file.remove(file, context.scope.service, name, context.check):
        say(f"recorded in {file}: {name} is given again")
    if role_exists(context, name):
        roles = f"{context.owner.mounts.database}/static-roles"
        context.session.delete(f"{roles}/{context.scope.static_role(name)}")
        say("the server no longer changes the password")
    context.apply()
    value = context.read(name)
    verify_login(context, name, str(parse_database_url(value, name).username))
    context.deliver()
    return value


def _write_plain_value(
    context: AdoptionContext,
    name: str,
    source: object,
    set_password: SetPassword | None,
    say: ProgressCallback,
) -> None:
    """Write the secret's plain value with the current password."""
    path, kv = context.scope.secret(name), context.owner.mounts.kv
    stored = read_entry(context.session, path, kv)
    if stored.template is None and not role_exists(context, name):
        return
    # Use the plain value as template if there is none: an earlier run that was killed wrote it, and
    # the server may have changed the password since.
    template = stored.template or template_from_url(Secret(stored.value), name)
    if role_exists(context, name):
        username, password = _read_credentials(context, name)
        value = fill_template(template, username, password.reveal())
    elif stored.value is not None:
        value = Secret(stored.value)
    elif set_password is not None and isinstance(source, Adopted):
        password = generate_value(_LENGTH, ALPHABETS["alphanumeric"])
        set_password(source.username, password)
        value = fill_template(template, source.username, password.reveal())
    else:
        raise ConfigurationError(
            f"{name} is not declared as adopted, so its database user is unknown; declare it again"
        )
    plain = {VALUE_KEY: value.reveal()}
    if stored.fields != plain:
        write_fields(context.session, path, plain, cas=stored.version, mount=kv)
        say(f"{name} has a plain value with the current password")


def _read_credentials(context: AdoptionContext, name: str) -> tuple[str, Secret]:
    """Return username and password, which the server does not change for at least a minute."""
    role, mounts = context.scope.static_role(name), context.owner.mounts
    path = need("read-static-user", role, mounts).path
    data = context.session.get(path)["data"]
    if data["ttl"] < _MIN_TTL:
        context.session.post(f"{mounts.database}/rotate-role/{role}", retry=False)
        data = context.session.get(path)["data"]
    return data["username"], Secret(data["password"])


def rotate_password(context: AdoptionContext, name: str, say: ProgressCallback) -> None:
    """Rotate the password of an adopted secret now, and deliver the new one."""
    source = context.declaration().secrets(context.scope).get(name)
    if not isinstance(source, Adopted):
        raise ConfigurationError(
            f"{name} is not adopted by {context.scope}, so the server cannot change its password; "
            f"write a new one with strongroom put {name}, or adopt it"
        )
    check_owners(context, name)
    role = context.scope.static_role(name)
    context.session.post(f"{context.owner.mounts.database}/rotate-role/{role}", retry=False)
    say(f"the server has set a new password of {source.username}; the old one no longer works")
    verify_login(context, name, source.username)
    say(f"verified: {context.scope} logs in with the value of {name} that it reads")
    context.deliver()
