"""Adopting a secret: an imported database URL whose password the server sets from now on.

The old password ends the moment the server makes the static role, and not before the entry of the
secret says both. So at every step one of the two works for whoever asks the server, and after a
failure or a kill the same command goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.names import Scope
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.adoption import database_user
from vault.adoption.database_user import DatabaseLogin
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.declare.edit import environment_file
from vault.declare.schema.adopted import Adopted
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.model import Given, Source
from vault.dotenv.proof import Read
from vault.dotenv.swap import Say
from vault.reconcile.resources import read_data
from vault.reconcile.resources.static_roles import (
    check_no_other_fields,
    parse_database_url,
    read_entry,
)

_PORT: Final = 5432

#: Told who is logged in as the user; True goes on.
Confirm = Callable[[str, Sequence[DatabaseLogin]], bool]


class Declined(StrongroomError):
    """Somebody was asked, and said no; nothing was changed."""


class Unfinished(StrongroomError):
    """It stopped on the way; the message says what works now and how to go on."""


@dataclass(frozen=True, slots=True)
class AdoptionContext:
    """What an adoption works on.

    Attributes:
        scope: whose secret.
        environment_file: the environment's file in the declaration.
        declaration: loads it anew.
        session: the operator's login.
        apply: loads the declaration anew and applies it; gives the number of changes.
        read: as the service reads a secret.
        deliver: has the agent run on the declaration of now, where that can be done from here.
        grant: lets the manager set the password of that database user; None when nobody may here.

    """

    scope: Scope
    environment_file: Path
    declaration: Callable[[], Declaration]
    session: Session
    apply: Callable[[], int]
    read: Read
    deliver: Callable[[], None]
    grant: Callable[[str], None] | None
    template_root: Path = load.TEMPLATES


def adopt(place: AdoptionContext, name: str, confirm: Confirm, say: Say) -> bool:
    """Adopt the secret *name*; False when that was done before.

    Raises:
        ConfigurationError: it can't be adopted, or nobody may grant; nothing was changed.
        DatabaseRefused: the old URL doesn't open the database; nothing was changed.
        Declined: *confirm* said no.
        Unfinished: a later step failed.

    """
    declared = _declared(place, name)
    url = _old_url(place, name)
    if url is None:
        say(f"{name}: its old password has ended already")
        username, granted = _username(place, name, declared), True
    else:
        username, granted = str(url.username), _agreed(place, name, url, confirm)
    try:
        if not granted and place.grant is not None:
            place.grant(username)
            say(f"granted: {place.scope.manager_role} may set the password of {username}")
        return _carry_out(place, name, username, say)
    except StrongroomError as error:
        raise unfinished(place, name, error) from None


def _declared(place: AdoptionContext, name: str) -> Source:
    """The declared source of *name*, a given or an adopted one."""
    declaration = place.declaration()
    declared = declaration.secrets(place.scope)
    source = declared.get(name)
    if not isinstance(source, Given | Adopted):
        given = ", ".join(sorted(key for key, each in declared.items() if isinstance(each, Given)))
        raise ConfigurationError(f"{place.scope} has no given secret {name!r}; it has {given}")
    if declaration.service(place.scope.service).database is None:
        raise ConfigurationError(f"{place.scope.service} declares no database")
    return source


def _old_url(place: AdoptionContext, name: str) -> URL | None:
    """The URL that the secret holds; None when it holds a template alone."""
    held = read_entry(place.session, place.scope.secret(name))
    if held.value is None and held.template is not None:
        return None
    if held.value is None:
        raise ConfigurationError(f"{name} has no value; write it with strongroom put, or import it")
    if role_exists(place, name):
        return None  # what it holds opens nothing any more
    if held.template is None:
        check_no_other_fields(held, name)
    return parse_database_url(Secret(held.value), name)


def role_exists(place: AdoptionContext, name: str) -> bool:
    """Whether the server has the secret's static role."""
    return place.scope.static_role(name) in place.session.list("database/static-roles")


def _check_endpoint(place: AdoptionContext, name: str, url: URL) -> None:
    """The server would change a user's password on the declared database, and only there."""
    declared = place.declaration().deployment(place.scope).database
    if declared != Endpoint(str(url.host), url.port or _PORT):
        raise ConfigurationError(
            f"{name} leads to {url.host}:{url.port or _PORT}, and the declared database of "
            f"{place.scope} is {declared}: make the two the same first"
        )
    if url.username in (place.scope.manager_role, place.scope.owner_role):
        raise ConfigurationError(f"{url.username} is what the server itself works with")


def _agreed(place: AdoptionContext, name: str, url: URL, confirm: Confirm) -> bool:
    """Check and ask; whether the manager may set the password already."""
    redaction.live.add(Secret(str(url.password)))
    _check_endpoint(place, name, url)
    with database_user.connected(url) as connection:
        unfit = database_user.unfit(connection)
        if unfit:
            raise ConfigurationError(f"{url.username} {unfit}; put another user's URL into {name}")
        granted = database_user.managed_by(connection, place.scope.manager_role)
        others = database_user.logins(connection)
    if not granted and place.grant is None:
        raise ConfigurationError(
            f"{place.scope.manager_role} may not set the password of {url.username}; run as an "
            f'administrator of the database: GRANT "{url.username}" TO '
            f'"{place.scope.manager_role}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE; or give '
            "--admin-url-file FILE, a file with such a user's URL"
        )
    if not confirm(str(url.username), others):
        raise Declined(f"{name} is as it was")
    return granted


def _username(place: AdoptionContext, name: str, declared: Source) -> str:
    """Of the static role on the server, or the declared one."""
    if isinstance(declared, Adopted):
        return declared.username
    role = read_data(place.session, f"database/static-roles/{place.scope.static_role(name)}")
    if role is None:
        raise ConfigurationError(f"{name} holds a template, and its static role is gone: undo it")
    return str(role["username"])


def _carry_out(place: AdoptionContext, name: str, username: str, say: Say) -> bool:
    file = place.environment_file
    recorded = environment_file.add(file, place.scope.service, name, username, place.template_root)
    if recorded:
        say(f"recorded in {file}: {name} is adopted")
    changes = place.apply()
    if changes:
        say("applied: the server has set another password, which it alone knows")
    prove(place, name, username)
    say(f"proven: what {place.scope} reads as {name} logs in as {username}")
    place.deliver()
    days = place.declaration().adopted(place.scope)[name].rotate_every / 86_400
    say(f"done: another password every {days:g} days")
    return recorded or bool(changes)


def prove(place: AdoptionContext, name: str, username: str) -> None:
    """Log in with what the service reads.

    Raises:
        DatabaseRefused: it opens nothing.
        ConfigurationError: it is somebody else's URL.

    """
    url = parse_database_url(place.read(name), name)
    with database_user.connected(url):
        pass
    if url.username != username:
        raise ConfigurationError(f"{name} is a URL of {url.username}, not of {username}")


def unfinished(place: AdoptionContext, name: str, error: StrongroomError) -> Unfinished:
    """*error*, with what works now and how to go on."""
    try:
        new = role_exists(place, name)
        works = "the server's password is in use" if new else "the old password is in use"
    except StrongroomError:
        works = "which password is in use can't be told now"
    reason = " ".join(str(error).split())
    return Unfinished(
        f"{reason}\n{works}; run the same command again to go on, or go back with: "
        f"strongroom adopt {name} --undo"
    )
