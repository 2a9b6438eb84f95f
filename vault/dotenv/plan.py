"""Plan of an import: kinds of variables, and names for the declaration."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from app_integration.names import Scope
from app_integration.secret import Secret
from vault.declare.application_variables import setting_text
from vault.declare.edit.service_file import Spec
from vault.dotenv.account_names import mail_parts, mail_passwords
from vault.dotenv.accounts import Accounts, choose_accounts
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind, turn_off_debugging
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import DATABASE, Provided
from vault.dotenv.kinds import Ask, decide_kinds, find_equal
from vault.dotenv.notes import find_notes, note_databases, note_debugging
from vault.dotenv.parse import DotenvFile, Variable
from vault.dotenv.proof import values_equal
from vault.dotenv.variable_names import names_in_file, secret_name

_GIVEN: Final[Spec] = {"source": "given"}
#: Text that ``str(int(text))`` returns unchanged.
_INTEGER: Final = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)


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
            *note_debugging(file, kinds, declared),
            *(note_databases(secrets) if DATABASE not in names else ()),
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
        secret_name(name): _setting_spec(
            turn_off_debugging(name, variable.value) or variable.value.reveal()
        )
        for name, variable in file.variables.items()
        if kinds[name] is Kind.SETTING and name not in declared.settings
    }


def _setting_spec(value: str) -> Spec:
    """Return a setting with the type that converts *value* back to the same text."""
    if value in {"true", "false"}:
        return {"type": "boolean", "default": value == "true"}
    if _INTEGER.fullmatch(value):
        return {"type": "integer", "default": int(value)}
    return {"type": "text", "default": value}
