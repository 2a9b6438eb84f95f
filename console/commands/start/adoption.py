"""Commands ``adopt`` and ``rotate-password``, with the question that they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app_integration._internal.input_file import read_input
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.secret import Secret
from console.commands.start.env_files import EnvFiles
from console.options import Env, OnlyService, Root, Service, Yes
from console.target.environment_plan import apply_changed_declaration
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_operator_session
from console.target.target import Target, open_target
from local.runtime_interface import no_progress
from local.servers import postgres_roles
from local.services.service_deployment import ServiceDeployment
from vault.adoption import adopt as adopting
from vault.adoption import database_user
from vault.adoption import undo as unadopt
from vault.adoption.adopt import AdoptionContext
from vault.adoption.database_user import DatabaseLogin
from vault.declare.declaration import Declaration
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.static_roles import parse_database_url

if TYPE_CHECKING:
    from local.deployment import LocalDeployment

out = Console(soft_wrap=True)

AdminUrl = Annotated[
    Path | None,
    typer.Option(
        "--admin-url-file", help="file with the URL of a database user that may grant the user"
    ),
]


def read_admin_url(file: Path) -> URL:
    """Return the database URL in a file."""
    try:
        return make_url(read_input(file).decode().strip())
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}; pass a readable file with --admin-url-file"
        ) from None
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"{file} does not contain a database URL; write one into it"
        ) from None


class Adoption:
    """Adoption of the secrets of one service in one environment.

    *admin* is a file with the database URL of a user that may set the adopted user's password.
    """

    def __init__(
        self, target: Target, service: str, console: Console, admin: Path | None = None
    ) -> None:
        self._target = target
        self._scope = target.scope(service)
        self._console = console
        self._admin = admin
        self._is_local = target.is_local

    def adopt(self, name: str, *, yes: bool) -> None:
        """Adopt a secret, so that the server sets its password."""
        confirm = self._announce if yes else self._announce_and_confirm
        with self._context(self._deliver) as context:
            if not adopting.adopt_secret(context, name, confirm, self._print):
                self._print(f"{name} is already adopted: nothing was changed")

    def undo(self, name: str) -> None:
        """Change an adopted secret back to a plain value.

        On the local deployment, the password of the application's user is also stored in the
        deployment's file.
        """
        with self._context(self._deliver) as context:
            value = unadopt.undo_adoption(context, name, self._password_setter(), self._print)
        if value is not None and self._is_local:
            url = parse_database_url(value, name)
            accounts = self._local_service().access.require_database()
            accounts.store_app_password(str(url.username), Secret(str(url.password)))

    def rotate(self, name: str) -> None:
        """Set another password of an adopted secret now."""
        with self._context(self._restart) as context:
            unadopt.rotate_password(context, name, self._print)

    @contextmanager
    def _context(self, deliver: Callable[[], None]) -> Iterator[AdoptionContext]:
        target, repository = self._target, self._target.checkout.repository
        folder = repository.declaration / "environments"
        reader = EnvFiles(target, self._scope.service, self._console).reader
        with (
            open_operator_session(target, APPLY_JOB) as operator,
            reader() as read,
        ):
            if self._is_local:
                target.local_deployment().check_listeners("database")
            yield AdoptionContext(
                scope=self._scope,
                owner=Owner.of(target.declared),
                environment_file=folder / f"{target.environment}.yaml",
                declaration=self._declaration,
                session=operator,
                apply=partial(apply_changed_declaration, target, operator, self._print),
                read=read,
                deliver=deliver,
                grant=self._granter(),
                check=repository.check,
            )

    def _declaration(self) -> Declaration:
        """Return the declaration, which the adoption changes, as its files are now."""
        return self._local().declaration if self._is_local else self._target.reread().declaration

    def _local(self) -> LocalDeployment:
        return self._target.reread().local_deployment()

    def _local_service(self) -> ServiceDeployment:
        return self._local().service(self._scope.service)

    def _granter(self) -> Callable[[str], None] | None:
        if self._admin is not None:
            return self._grant_as_admin
        if self._is_local:
            return self._local_service().access.require_database().allow_password_changes
        return None

    def _password_setter(self) -> unadopt.SetPassword | None:
        if self._admin is not None:
            return self._set_as_admin
        if self._is_local:
            return self._local_service().access.require_database().set_password
        return None

    def _grant_as_admin(self, username: str) -> None:
        with self._connect_as_admin() as connection:
            postgres_roles.allow_password_changes(connection, self._scope.manager_role, username)

    def _set_as_admin(self, username: str, password: Secret) -> None:
        with self._connect_as_admin() as connection:
            postgres_roles.set_password(connection, username, password)

    @contextmanager
    def _connect_as_admin(self) -> Iterator[psycopg.Connection]:
        with database_user.connect(read_admin_url(self._admin or Path())) as connection:
            yield connection

    def _deliver(self) -> None:
        """Redeliver on the local deployment; elsewhere print what the operator must do."""
        if self._is_local:
            self._local().redeliver(self._scope.service, no_progress)
            self._print("delivered: the agent's file has the current password")
        else:
            self._print_elsewhere("compile its template again, and restart it")

    def _restart(self) -> None:
        if self._is_local:
            self._local().restart_agent(self._scope.service, no_progress)
            self._print("delivered: the restarted agent's file has the new password")
        else:
            self._print_elsewhere("restart it, because it does not notice a rotation by hand")

    def _print_elsewhere(self, instruction: str) -> None:
        self._print(
            f"next, on each machine that runs an agent of {self._scope}: {instruction}. Until then "
            "its file contains the old password, and so does any engine that was built from the URL"
        )

    def _announce_and_confirm(self, username: str, others: Sequence[DatabaseLogin]) -> bool:
        self._announce(username, others)
        return typer.confirm("Continue?")

    def _announce(self, username: str, others: Sequence[DatabaseLogin]) -> bool:
        self._print(
            f"The server will set a password of {username} that only it knows. The current one "
            "stops working at that moment, wherever else it is used; open sessions continue."
        )
        for each in others:
            self._print(f"another session of {username}: {each}")
        if not others:
            self._print(f"there is no other session of {username}")
        return True

    def _print(self, line: str) -> None:
        self._console.print(escape(line), highlight=False)


def adopt_secret(
    name: Annotated[str, typer.Argument(help="an operator-provided secret, a database URL")],
    service: OnlyService = None,
    env: Env = Environment.DEV,
    root: Root = DEFAULT_ROOT,
    admin_url_file: AdminUrl = None,
    undo: Annotated[bool, typer.Option("--undo", help="go back to a plain value")] = False,
    yes: Yes = False,
) -> None:
    """Let the server set the password of a database URL, every 30 days or as declared.

    The current password stops working. The other sessions of its user are shown first. After a
    failure or a kill, run the command again, or go back with --undo.
    """
    target = open_target(env, root)
    adopted = Adoption(target, target.find_scope(service).service, out, admin_url_file)
    if undo:
        adopted.undo(name)
    else:
        adopted.adopt(name, yes=yes)


def rotate_password(
    name: Annotated[str, typer.Argument(help="an adopted secret")],
    service: Service,
    env: Env,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Let the server set another password of an adopted secret now, and restart the agent."""
    Adoption(open_target(env, root), service, out).rotate(name)
