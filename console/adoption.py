"""``adopt`` and ``rotate-password``: what they need of a deployment, and the question they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.secret import Secret
from console import operate
from console.env_files import EnvFiles
from vault.adoption import adopt, database_user
from vault.adoption import undo as unadopt
from vault.adoption.adopt import AdoptionContext
from vault.adoption.database_user import DatabaseLogin
from vault.declare.declaration import Declaration
from vault.reconcile.credentials import APPLY_ROLE
from vault.reconcile.planning.apply import apply
from vault.reconcile.resources.static_roles import parsed
from vault.runtime.runtime import quiet
from vault.runtime.servers import postgres_roles


class Adoption:
    """Adopts secrets of one service in one environment."""

    def __init__(
        self, service: str, env: str, root: Path, console: Console, admin: Path | None = None
    ) -> None:
        """Args: *admin* is a file with the URL of an administrator of the database."""
        self._scope = Scope(service, names.environment(env))
        self._root = root
        self._console = console
        self._admin = admin
        self._local = operate.is_local(self._scope.environment)

    def adopt(self, name: str, *, yes: bool) -> None:
        """Adopt the secret *name*; asks first unless *yes*."""
        with self._place(self._deliver) as place:
            if not adopt.adopt(place, name, self._agree if yes else self._ask, self._say):
                self._say(f"{name} was adopted already: nothing was changed")

    def undo(self, name: str) -> None:
        """Go back to a plain value."""
        with self._place(self._deliver) as place:
            value = unadopt.undo(place, name, self._set_password(), self._say)
        if value is not None and self._local:
            url = parsed(value, name)
            accounts = operate.local(self._root, self._scope.service).access.database
            accounts.keep_password(str(url.username), Secret(str(url.password)))

    def rotate(self, name: str) -> None:
        """Another password of *name* now."""
        with self._place(self._restart) as place:
            unadopt.rotate(place, name, self._say)

    @contextmanager
    def _place(self, deliver: Callable[[], None]) -> Iterator[AdoptionContext]:
        env, service = str(self._scope.environment), self._scope.service
        reader = EnvFiles(service, env, self._root, self._console).reader
        with operate.operator(env, self._root, APPLY_ROLE) as operator, reader() as read:

            def apply_again() -> int:
                found = operate.make(operator, env, self._root, None)
                apply(operator, found, lambda change: self._say(f"applied: {change}"))
                return len(found.changes)

            yield AdoptionContext(
                scope=self._scope,
                environment_file=operate.declaration_root() / "environments" / f"{env}.yaml",
                declaration=self._declaration,
                session=operator,
                apply=apply_again,
                read=read,
                deliver=deliver,
                grant=self._grant(),
            )

    def _declaration(self) -> Declaration:
        if self._local:
            return operate.local(self._root, self._scope.service).declaration
        return operate.declaration()

    def _grant(self) -> Callable[[str], None] | None:
        if self._admin is not None:
            return self._grant_as_admin
        if self._local:
            return operate.local(self._root, self._scope.service).access.database.let_manage
        return None

    def _set_password(self) -> unadopt.SetPassword | None:
        if self._admin is not None:
            return self._set_as_admin
        if self._local:
            return operate.local(self._root, self._scope.service).access.database.set_password
        return None

    def _grant_as_admin(self, username: str) -> None:
        with self._connected() as connection:
            postgres_roles.let_manage(connection, self._scope.manager_role, username)

    def _set_as_admin(self, username: str, password: Secret) -> None:
        with self._connected() as connection:
            postgres_roles.set_password(connection, username, password)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        """As the administrator whose URL is in the file."""
        try:
            url = make_url((self._admin or Path()).read_text(encoding="utf-8").strip())
        except OSError as error:
            raise ConfigurationError(f"{self._admin} can't be read: {error.strerror}") from None
        except (ArgumentError, ValueError):
            raise ConfigurationError(f"{self._admin} holds no URL of a database") from None
        with database_user.connected(url) as connection:
            yield connection

    def _deliver(self) -> None:
        """On this machine: what runs, runs on the declaration of now."""
        if self._local:
            operate.local(self._root, self._scope.service).redeliver(quiet)
            self._say("delivered: the agent's file has the password of now")
        else:
            self._say_elsewhere("compile its template again, and restart it")

    def _restart(self) -> None:
        if self._local:
            operate.local(self._root, self._scope.service).restart_agent(quiet)
            self._say("delivered: the restarted agent's file has the new password")
        else:
            self._say_elsewhere("restart it: it sees no change that was made by hand")

    def _say_elsewhere(self, what: str) -> None:
        self._say(
            f"now, wherever an agent of {self._scope} runs: {what}. Until then its file holds "
            "the old password; so does any engine that was built once from the URL"
        )

    def _ask(self, username: str, others: Sequence[DatabaseLogin]) -> bool:
        self._agree(username, others)
        return typer.confirm("Go on?")

    def _agree(self, username: str, others: Sequence[DatabaseLogin]) -> bool:
        self._say(
            f"The server will set a password of {username} that it alone knows. The one of now "
            "ends at that moment, wherever else it is used; open sessions go on."
        )
        for each in others:
            self._say(f"logged in as {username} now: {each}")
        if not others:
            self._say(f"nobody else is logged in as {username} now")
        return True

    def _say(self, line: str) -> None:
        self._console.print(escape(line), highlight=False)
