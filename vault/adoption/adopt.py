"""Adoption of a secret: Vault takes over the password of the user in an imported database URL.

Vault changes the password when it creates the static role. By then the secret's KV entry has both
the old URL and a template for the new one. So at every step a reader of the secret gets a password
that works, and after a failure or a kill the same command continues.
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
from vault.declare.declaration import Declaration
from vault.declare.edit import environment_file
from vault.declare.load import Check
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.database import Database
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.secret_sources import Given, Source
from vault.dotenv.proof import ReadSecret
from vault.dotenv.swap import ProgressCallback
from vault.reconcile.resources import read_data
from vault.reconcile.resources.ownership import Owner, check_owner, check_secret_owner
from vault.reconcile.resources.static_roles import (
    StaticRole,
    check_no_other_fields,
    parse_database_url,
    read_entry,
)

_PORT: Final = 5432

#: Receives the username and its other sessions, and returns whether to continue.
Confirm = Callable[[str, Sequence[DatabaseLogin]], bool]


class AdoptionDeclined(StrongroomError):
    """Refusal of the operator to continue. Nothing was changed."""


class AdoptionIncomplete(StrongroomError):
    """An adoption or its reversal stopped halfway.

    The message says which password works now, and how to continue.
    """


@dataclass(frozen=True, slots=True)
class AdoptionContext:
    """Declaration, sessions and operations that an adoption uses.

    *apply* returns the number of changes. *grant* permits the manager to set the password of a
    database user; None if there is no administrator of the database to do that.
    """

    scope: Scope
    owner: Owner
    environment_file: Path
    declaration: Callable[[], Declaration]
    session: Session
    apply: Callable[[], int]
    read: ReadSecret
    deliver: Callable[[], None]
    grant: Callable[[str], None] | None
    check: Check


def adopt_secret(
    context: AdoptionContext, name: str, confirm: Confirm, say: ProgressCallback
) -> bool:
    """Adopt a secret; return False if it is adopted already.

    After AdoptionIncomplete it is adopted in part; after any other error nothing was changed.
    """
    declared = _check_declared(context, name)
    check_owners(context, name)
    url = _old_url(context, name)
    if url is None:
        say(f"{name}: the server has already replaced its old password")
        username, granted = _static_username(context, name, declared), True
    else:
        username, granted = str(url.username), _check_and_confirm(context, name, url, confirm)
    try:
        if not granted and context.grant is not None:
            context.grant(username)
            say(f"granted: {context.scope.manager_role} may set the password of {username}")
        return _run_steps(context, name, username, say)
    except StrongroomError as error:
        raise unfinished_error(context, name, error) from None


def check_owners(context: AdoptionContext, name: str) -> None:
    """Check that no other deployment owns the secret or its static role."""
    owner = context.owner
    check_secret_owner(context.session, owner, context.scope.secret(name))
    check_owner(context.session, owner.entry(StaticRole.kind, context.scope.static_role(name)))


def _check_declared(context: AdoptionContext, name: str) -> Source:
    """Return the declared source of *name*, which must be a given or an adopted secret."""
    declaration = context.declaration()
    declared = declaration.secrets(context.scope)
    source = declared.get(name)
    if not isinstance(source, Given | Adopted):
        given = ", ".join(sorted(key for key, each in declared.items() if isinstance(each, Given)))
        raise ConfigurationError(
            f"{context.scope} has no given secret {name!r} (found {given}); name or declare one"
        )
    if not isinstance(declaration.service(context.scope.service).database, Database):
        raise ConfigurationError(
            f"{context.scope.service} declares no database of its own; add 'database' with engine "
            "and name to its file first"
        )
    return source


def _old_url(context: AdoptionContext, name: str) -> URL | None:
    """Return the old URL in the secret's entry, or None if it no longer works."""
    stored = read_entry(context.session, context.scope.secret(name), context.owner.mounts.kv)
    if stored.value is None and stored.template is not None:
        return None
    if stored.value is None:
        raise ConfigurationError(f"{name} has no value; write it with strongroom put, or import it")
    if role_exists(context, name):
        return None  # because the server changed the password when it created the role
    if stored.template is None:
        check_no_other_fields(stored, name)
    return parse_database_url(Secret(stored.value), name)


def role_exists(context: AdoptionContext, name: str) -> bool:
    """Return whether the server has the secret's static role."""
    roles = f"{context.owner.mounts.database}/static-roles"
    return context.scope.static_role(name) in context.session.list(roles)


def _check_endpoint(context: AdoptionContext, name: str, url: URL) -> None:
    """Check that the URL leads to the declared database, where the server sets the password.

    Otherwise the server would change the password of a user of the same name there.
    """
    declared = context.declaration().deployment(context.scope).database
    if declared != Endpoint(str(url.host), url.port or _PORT):
        raise ConfigurationError(
            f"{name} leads to {url.host}:{url.port or _PORT}, but the declared database of "
            f"{context.scope} is {declared}; make the two equal first"
        )
    if url.username in (context.scope.manager_role, context.scope.owner_role):
        raise ConfigurationError(
            f"{url.username} is a role that the server itself uses; put another user's URL "
            f"into {name}"
        )


def _check_and_confirm(context: AdoptionContext, name: str, url: URL, confirm: Confirm) -> bool:
    """Check the database user and ask the operator.

    Returns whether the manager may set the user's password already.
    """
    redaction.live.add(Secret(str(url.password)))
    _check_endpoint(context, name, url)
    with database_user.connect(url) as connection:
        obstacle = database_user.adoption_obstacle(connection)
        if obstacle:
            raise ConfigurationError(
                f"{url.username} {obstacle}; put another user's URL into {name}"
            )
        granted = database_user.managed_by(connection, context.scope.manager_role)
        others = database_user.logins(connection)
    if not granted and context.grant is None:
        raise ConfigurationError(
            f"{context.scope.manager_role} may not set the password of {url.username}; run as an "
            f'administrator of the database: GRANT "{url.username}" TO '
            f'"{context.scope.manager_role}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE; or pass '
            "--admin-url-file FILE, a file with such a user's URL"
        )
    if not confirm(str(url.username), others):
        raise AdoptionDeclined(f"{name} is unchanged")
    return granted


def _static_username(context: AdoptionContext, name: str, declared: Source) -> str:
    """Return the username in the declaration, or else that of the static role on the server."""
    if isinstance(declared, Adopted):
        return declared.username
    roles = f"{context.owner.mounts.database}/static-roles"
    role = read_data(context.session, f"{roles}/{context.scope.static_role(name)}")
    if role is None:
        raise ConfigurationError(
            f"the entry of {name} has a template, but its static role does not exist; go back "
            f"with: strongroom adopt {name} --undo"
        )
    return str(role["username"])


def _run_steps(context: AdoptionContext, name: str, username: str, say: ProgressCallback) -> bool:
    file = context.environment_file
    recorded = environment_file.add(file, context.scope.service, name, username, context.check)
    if recorded:
        say(f"recorded in {file}: {name} is adopted")
    changes = context.apply()
    if changes:
        say("applied: the server has set a new password, which only it knows")
    verify_login(context, name, username)
    say(f"verified: {context.scope} logs in as {username} with the value of {name} that it reads")
    context.deliver()
    days = context.declaration().adopted(context.scope)[name].rotate_every / 86_400
    say(f"done: the server sets a new password every {days:g} days")
    return recorded or bool(changes)


def verify_login(context: AdoptionContext, name: str, username: str) -> None:
    """Log in to the database with the URL that the service reads."""
    url = parse_database_url(context.read(name), name)
    with database_user.connect(url):
        pass
    if url.username != username:
        raise ConfigurationError(
            f"{name} is a URL of {url.username}, not of {username}; pass the "
            "other one, or correct it"
        )


def unfinished_error(
    context: AdoptionContext, name: str, error: StrongroomError
) -> AdoptionIncomplete:
    """Return an error with the reason, the password that works now, and how to continue."""
    try:
        new = role_exists(context, name)
        works = "the server's password is in use" if new else "the old password is in use"
    except StrongroomError:
        works = "it is unknown which password is in use"
    reason = " ".join(str(error).split())
    return AdoptionIncomplete(
        f"{reason}\n{works}; run the same command again to continue, or go back with: "
        f"strongroom adopt {name} --undo"
    )
