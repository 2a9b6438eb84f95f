"""The database of a service, if a file splits its account, and accounts that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vault.declare.schema.secret_sources import Derived
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind, Verdict
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import DATABASE, Provided
from vault.dotenv.parse import DotenvFile, Variable
from vault.dotenv.split_accounts import Server, SplitAccount, find_databases
from vault.dotenv.variable_names import find_variable

_STAYS: Final = {
    Server.POSTGRESQL: "a PostgreSQL database, but not the declared one of {service}",
    Server.MYSQL: "a MySQL database, whose users cannot be leased",
    Server.UNKNOWN: "a database whose kind or user the file does not say",
}
_IF_POSTGRESQL: Final = (
    "; if it is PostgreSQL, add its user and a line such as DB_ENGINE=postgresql, or use "
    "DATABASE_URL, before you import it"
)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts that a file splits over several variables."""

    database: SplitAccount | None
    url: Variable | None
    others: tuple[SplitAccount, ...]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Return the verdict of each variable of the database."""
        parts = self.database.parts if self.database else {}
        return {
            each.name: Verdict(Kind.SECRET if part == "password" else Kind.PART, "of a database")
            for part, each in parts.items()
        }

    @property
    def secrets(self) -> dict[str, Variable]:
        """Return the URL that the file has in parts only, by its secret."""
        return {DATABASE: self.database.url} if self.database and not self.url else {}

    def notes(self, service: str) -> Iterator[str]:
        """Return a remark about each account."""
        if self.database:
            names = ", ".join(self.database.variables)
            yield (
                f"{names} are one database, which becomes the secret {DATABASE}; export-env writes "
                "its parts as comments: DB_HOST, DB_PORT and so on"
            )
        for each in self.others:
            reason = _STAYS[each.server].format(service=service)
            password = each.parts["password"].name
            remedy = _IF_POSTGRESQL if each.server is Server.UNKNOWN else ""
            yield (
                f"{', '.join(each.variables)} are {reason}: {password} is a secret of its own, and "
                f"the others are settings{remedy}"
            )


def choose_accounts(
    file: DotenvFile, declared: DeclaredVariables, choices: Choices, provided: Provided
) -> Accounts:
    """Return the accounts of *file*: the first PostgreSQL one is the service's, if it has any."""
    decided = {*choices.all, *declared.secrets, *declared.settings}
    found = tuple(find_databases(file, decided))
    url = find_variable(file, DATABASE)
    source = next((spec for name, spec in declared.secrets.values() if name == DATABASE), None)
    is_computed = isinstance(source, Derived) or DATABASE in declared.adopted
    known = DATABASE in provided.values or DATABASE in declared.secret_names
    stays = {*choices.settings, *choices.skipped, *declared.settings}
    wanted = known and not is_computed and not (url and url.name in stays)
    fitting = (
        each
        for each in found
        if wanted and each.server is Server.POSTGRESQL and (url is None or each.is_at(url.value))
    )
    database = next(fitting, None)
    return Accounts(database, url, tuple(each for each in found if each is not database))
