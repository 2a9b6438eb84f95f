"""Remarks about an import of a ``.env`` file, without values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from vault.declare.application_variables import setting_text
from vault.dotenv.account_names import mail_parts
from vault.dotenv.classify import Kind, turn_off_debugging
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import SERVERS, is_postgresql, same_server
from vault.dotenv.parse import DotenvFile, Variable
from vault.dotenv.proof import values_equal
from vault.dotenv.text import secret_comments
from vault.dotenv.variable_names import declared_form, secret_name

_MAIL: Final = "mail server"


def find_notes(
    file: DotenvFile,
    kinds: Mapping[str, Kind],
    declared: DeclaredVariables,
    replaced: Mapping[str, Variable],
    twins: Mapping[str, str],
) -> Iterator[str]:
    """Return the remarks about an import, without values.

    Unlike in the plan, the keys of *twins* are names of variables.
    """
    for name, variable in file.variables.items():
        *earlier, last = variable.lines
        if earlier:
            lines = ", ".join(map(str, earlier))
            yield f"{name} is set on line {lines} and again on line {last}, which takes effect"
        if variable.uses:
            yield f"{name} uses ${{{'}, ${'.join(sorted(variable.uses))}}}, as python-dotenv does"
        setting = declared.settings.get(name)
        there = declared.values.get(setting) if setting else None
        if setting and (there is None or not values_equal(setting_text(there), variable.value)):
            yield (
                f"{name} differs from the declared setting {setting}: the file keeps its value, "
                "and a delivered config has the declared one"
            )
        if kinds[name] is Kind.SKIP:
            yield f"{name} was skipped: it stays in the file and is not declared"
        elif kinds[name] is not Kind.PART and declared_form(name) != name:
            yield _mapping(name, kinds[name])
    secrets = [name for name, kind in kinds.items() if kind is Kind.SECRET]
    for line in secret_comments(file, secrets) if secrets else ():
        yield f"the comment on line {line} may contain a secret; the new file omits it"
    yield from _note_replaced(file, declared.scope.service, replaced)
    for name, secret in twins.items():
        other = replaced[secret].name if secret in replaced else secret
        yield f"{name} has the value of {other}, and gets the same one again"
    others = {name: file.variables[name] for name in secrets if name not in twins}
    yield from _note_neighbours(others, replaced.values())


def _note_neighbours(
    others: Mapping[str, Variable], replaced: Collection[Variable]
) -> Iterator[str]:
    """Return a remark about each URL of another database on the server of a replaced one."""
    for name, variable in others.items():
        for each in replaced if "://" in variable.value.reveal() else ():
            if each.name != name and same_server(variable.value, each.value):
                yield (
                    f"{name} is on the server of {each.name}, and keeps the file's value; if "
                    "leased users take its place, remove it from the application and the service"
                )


def _note_replaced(
    file: DotenvFile, service: str, replaced: Mapping[str, Variable]
) -> Iterator[str]:
    """Return remarks about each value that is not used, as the local deployment has its own."""
    has_host = bool(mail_parts(file.variables))
    for secret, variable in replaced.items():
        server = SERVERS.get(secret, _MAIL)
        yield (
            f"{variable.name}: on this machine {service} gets a {server} of its own, so the file's "
            f"value is not used; it stays in the backup only, and --secret {variable.name} imports "
            "it instead"
        )
        if server == _MAIL and not has_host:
            yield (
                f"{variable.name} has no host beside it: have the application send to the address "
                "that strongroom status shows, because its own one does not know this password"
            )


def _mapping(name: str, kind: Kind) -> str:
    """Return the remark about a variable whose declared form differs from its name."""
    declared, form = secret_name(name), declared_form(name)
    if kind is Kind.SECRET:
        return (
            f"{name} becomes the secret {declared}: the service reads it by "
            f'get_secret("{declared}"), and export-env writes it as {form}'
        )
    return (
        f"{name} becomes the setting {declared}: the file keeps it as {name}, and export-env "
        f"writes it as {form}"
    )


def note_debugging(
    file: DotenvFile, kinds: Mapping[str, Kind], declared: DeclaredVariables
) -> Iterator[str]:
    """Return a remark about each new setting that is declared as off."""
    for name, variable in file.variables.items():
        is_new = kinds[name] is Kind.SETTING and name not in declared.settings
        if is_new and turn_off_debugging(name, variable.value):
            yield (
                f"{name} turns debugging on: it is declared as off, so that no other environment "
                "debugs, and the file keeps its value; for a delivered config and export-env, add "
                f"to {declared.scope.service} in environments/{declared.scope.environment}.yaml: "
                f"settings: {{{secret_name(name)}: …}}"
            )


def note_databases(secrets: Mapping[str, Variable]) -> Iterator[str]:
    """Return a remark about each URL that would be the service's database under its name."""
    for variable in secrets.values():
        if is_postgresql(variable.value):
            yield (
                f"{variable.name} is the URL of a PostgreSQL database and becomes a plain secret; "
                "to get leased users, name it DATABASE_URL, also in the application, and import it"
            )
