"""Plan of an import: kinds of variables, names for the declaration, remarks without values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from app_integration.names import Scope
from app_integration.secret import Secret
from vault.declare.application_variables import setting_text
from vault.declare.edit.service_file import Spec
from vault.dotenv.account_names import mail_parts, mail_passwords
from vault.dotenv.accounts import Accounts, choose_accounts
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import (
    DATABASE,
    SERVERS,
    Provided,
    is_postgresql,
    same_server,
)
from vault.dotenv.kinds import Ask, decide_kinds, find_equal
from vault.dotenv.parse import DotenvFile, Variable
from vault.dotenv.proof import values_equal
from vault.dotenv.text import secret_comments
from vault.dotenv.variable_names import declared_form, names_in_file, secret_name

_MAIL: Final = "mail server"
_GIVEN: Final[Spec] = {"source": "given"}
#: Text that ``str(int(text))`` returns unchanged.
_INTEGER: Final = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
#: Value that turns debugging on → the one that turns it off.
_OFF: Final = {"true": "false", "True": "False", "1": "0", "on": "off", "yes": "no"}


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


def _note_debugging(
    file: DotenvFile, kinds: Mapping[str, Kind], declared: DeclaredVariables
) -> Iterator[str]:
    """Return a remark about each new setting that is declared as off."""
    for name, variable in file.variables.items():
        is_new = kinds[name] is Kind.SETTING and name not in declared.settings
        if is_new and _is_debugging(variable):
            yield (
                f"{name} turns debugging on: it is declared as off, so that no other environment "
                "debugs, and the file keeps its value; for a delivered config and export-env, add "
                f"to {declared.scope.service} in environments/{declared.scope.environment}.yaml: "
                f"settings: {{{secret_name(name)}: …}}"
            )


def _note_databases(secrets: Mapping[str, Variable]) -> Iterator[str]:
    """Return a remark about each URL that would be the service's database under its name."""
    for variable in secrets.values():
        if is_postgresql(variable.value):
            yield (
                f"{variable.name} is the URL of a PostgreSQL database and becomes a plain secret; "
                "to get leased users, name it DATABASE_URL, also in the application, and import it"
            )


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A complete import, before any request or change of a file.

    By secret name, *secrets* has the variable with its value, *replaced* the one whose value the
    deployment replaces by its own, and *twins* the replaced secret whose value it goes on to have.
    """

    file: DotenvFile
    scope: Scope
    kinds: Mapping[str, Kind]
    secrets: Mapping[str, Variable]
    new_secrets: Mapping[str, Spec]
    new_settings: Mapping[str, Spec]
    declared: tuple[str, ...]
    notes: tuple[str, ...]
    replaced: Mapping[str, Variable] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_secrets(self) -> bool:
        """Return whether the file has a secret, which is removed from it."""
        return bool(self.secrets or self.replaced)

    @property
    def values(self) -> dict[str, Secret]:
        """Return the value of each secret by secret name."""
        return {name: variable.value for name, variable in self.secrets.items()}

    def local_mail(self, settings: Mapping[str, str | int | bool]) -> dict[str, str]:
        """Return the variables of mail accounts that *settings* have other values for.

        Those of an account whose password is imported stay as they are.
        """
        replaced = {each.name for each in self.replaced.values()}
        accounts = mail_parts(self.file.variables).values()
        parts = [
            name
            for each in accounts
            if replaced.issuperset(mail_passwords(each))
            for name in each
            if self.kinds[name] is Kind.SETTING and secret_name(name) in settings
        ]
        found = {name: setting_text(settings[secret_name(name)]) for name in parts}
        values = self.file.variables
        return {name: text for name, text in found.items() if text != values[name].value.reveal()}

    def variables(self, kind: Kind) -> list[str]:
        """Return the names of the variables of one kind, in the order of the file."""
        return [name for name in self.file.variables if self.kinds[name] is kind]


def build_import_plan(
    file: DotenvFile,
    declared: DeclaredVariables,
    choices: Choices | None = None,
    ask: Ask | None = None,
    provided: Provided | None = None,
) -> ImportPlan:
    """Plan the import of *file*. It has no side effects except those of *ask*.

    *choices* take precedence over everything else. Without *ask* an unclear variable is an error;
    one error has every problem.
    """
    choices, provided = choices or Choices(), provided or Provided()
    declared = declared.under(names_in_file(file, choices.skipped))
    accounts = choose_accounts(file, declared, choices, provided)
    kinds = decide_kinds(file, declared, choices, ask, provided, accounts)
    secrets = _find_secrets(file, kinds, declared, accounts)
    replaced = {
        secret: each
        for secret, each in secrets.items()
        if each.name not in choices.secrets and provided.replaces(secret, each.value)
    }
    decided = {*choices.all, *declared.settings, *accounts.verdicts}
    twins = find_equal(file, declared) | _find_twins(file, replaced, decided)
    kinds |= dict.fromkeys(twins, Kind.SECRET)
    secrets |= {secret_name(name): file.variables[name] for name in twins}
    of_deployment = {*replaced, *map(secret_name, twins)}
    names = {*declared.secret_names, *secrets}
    return ImportPlan(
        file=file,
        scope=declared.scope,
        kinds=kinds,
        secrets={name: each for name, each in secrets.items() if name not in of_deployment},
        new_secrets=_new_secrets(secrets, twins, declared),
        new_settings=_new_settings(file, kinds, declared),
        declared=tuple(sorted(names)),
        notes=(
            *find_notes(file, kinds, declared, replaced, twins),
            *accounts.notes(declared.scope.service),
            *_note_debugging(file, kinds, declared),
            *(_note_databases(secrets) if DATABASE not in names else ()),
        ),
        replaced=replaced,
        twins={secret_name(name): each for name, each in twins.items()},
    )


def _find_secrets(
    file: DotenvFile, kinds: Mapping[str, Kind], declared: DeclaredVariables, accounts: Accounts
) -> dict[str, Variable]:
    """Return the variable with the value of each secret, by secret name."""
    return {
        declared.secret_name(name) or secret_name(name): file.variables[name]
        for name, kind in kinds.items()
        if kind is Kind.SECRET and name not in accounts.verdicts
    } | accounts.secrets


def _new_secrets(
    secrets: Collection[str], twins: Mapping[str, str], declared: DeclaredVariables
) -> dict[str, Spec]:
    """Return what to declare: twins as derived from their secret, so that they stay equal."""
    known = {name for name, _ in declared.secrets.values()}
    equal: dict[str, Spec] = {
        secret_name(name): {"source": "derived", "format": f"{{{each}}}"}
        for name, each in twins.items()
    }
    return {name: equal.get(name, _GIVEN) for name in secrets if name not in known}


def _find_twins(
    file: DotenvFile, replaced: Mapping[str, Variable], decided: Collection[str]
) -> dict[str, str]:
    """Return the other variables with the URL of a replaced one, and the secret of that one."""
    return {
        name: secret
        for name, variable in file.variables.items()
        for secret, original in replaced.items()
        if name not in decided
        and name != original.name
        and "://" in variable.value.reveal()
        and values_equal(variable.value, original.value)
    }


def _new_settings(
    file: DotenvFile, kinds: Mapping[str, Kind], declared: DeclaredVariables
) -> dict[str, Spec]:
    return {
        secret_name(name): _setting_spec(_default(variable))
        for name, variable in file.variables.items()
        if kinds[name] is Kind.SETTING and name not in declared.settings
    }


def _default(variable: Variable) -> str:
    """Return the value of a setting in an environment that declares no other one."""
    value = variable.value.reveal()
    return _OFF[value] if _is_debugging(variable) else value


def _is_debugging(variable: Variable) -> bool:
    """Return whether *variable* turns debugging on, such as ``APP_DEBUG=1``."""
    is_switch = "debug" in secret_name(variable.name).split("-")
    return is_switch and variable.value.reveal() in _OFF


def _setting_spec(value: str) -> Spec:
    """Return a setting with the type that converts *value* back to the same text."""
    if value in {"true", "false"}:
        return {"type": "boolean", "default": value == "true"}
    if _INTEGER.fullmatch(value):
        return {"type": "integer", "default": int(value)}
    return {"type": "text", "default": value}
