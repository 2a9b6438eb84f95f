"""Plan of an import: the kind of each variable, and the names to add to the declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from app_integration.names import Scope
from app_integration.secret import Secret
from vault.declare.edit.service_file import Spec
from vault.declare.errors import join_names
from vault.declare.schema.secret_sources import Derived, SecretSource
from vault.dotenv.choices import Choices, check_choices
from vault.dotenv.classify import Kind, Verdict, classify
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.notes import find_notes
from vault.dotenv.parse import DotenvFile, InvalidDotenv, Variable
from vault.dotenv.provided import Provided
from vault.dotenv.variable_names import check_names, names_in_file, secret_name

#: Asks the operator: variable and reason for the question → ``secret``, ``setting`` or ``skip``.
Ask = Callable[[str, str], str]

_GIVEN: Final[Spec] = {"source": "given"}
#: Text that ``str(int(text))`` returns unchanged.
_INTEGER: Final = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A complete import, before any request or change of a file.

    Attributes:
        file: Parsed ``.env`` file.
        scope: Service and environment.
        kinds: Kind of each variable in the file.
        secrets: Secret name → variable that has its value.
        new_secrets: Secrets to add to the declaration.
        new_settings: Settings to add to the declaration, with the file's values as defaults.
        declared: Sorted names of all secrets that the service will have in this environment.
        notes: Remarks for the operator, without values.
        replaced: Secret name → variable whose value the deployment replaces by its own.

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

    @property
    def has_secrets(self) -> bool:
        """Return whether the file has a secret, which is removed from it."""
        return bool(self.secrets or self.replaced)

    @property
    def values(self) -> dict[str, Secret]:
        """Return the value of each secret by secret name."""
        return {name: variable.value for name, variable in self.secrets.items()}

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

    Args:
        file: Parsed file. See :func:`vault.dotenv.parse.read`.
        declared: Declared secrets and settings of the service before the import.
        choices: Decisions passed in advance. They take precedence over everything else.
        ask: Asks the operator for the kind of an unclear variable, or None if that is impossible.
        provided: Secrets that the deployment provides, or None for none.

    Returns:
        The plan.

    Raises:
        ConfigurationError: If a choice names no variable, or contradicts another one.
        InvalidDotenv: If a name is invalid or two names become the same, a variable is unclear and
            *ask* is None, or the declaration does not allow its kind. It lists each such variable
            with its line.

    """
    choices, provided = choices or Choices(), provided or Provided()
    declared = declared.under(names_in_file(file, choices.skipped))
    known = {*declared.secrets, *declared.settings}
    check_choices(choices, file.path, file.variables, known)
    check_names(file, choices.skipped)
    kinds = _decide_kinds(file, declared, choices, ask, provided)
    _reject_invalid(file, kinds, declared)
    secrets = {
        declared.secret_name(name) or secret_name(name): file.variables[name]
        for name, kind in kinds.items()
        if kind is Kind.SECRET
    }
    replaced = {
        secret: each
        for secret, each in secrets.items()
        if each.name not in choices.secrets and provided.replaces(each)
    }
    return ImportPlan(
        file=file,
        scope=declared.scope,
        kinds=kinds,
        secrets={name: each for name, each in secrets.items() if name not in replaced},
        new_secrets={n: _GIVEN for n, each in secrets.items() if each.name not in declared.secrets},
        new_settings=_new_settings(file, kinds, declared),
        declared=tuple(sorted({*declared.secret_names, *secrets})),
        notes=tuple(find_notes(file, kinds, declared, replaced)),
        replaced=replaced,
    )


def _decide_kinds(
    file: DotenvFile,
    declared: DeclaredVariables,
    choices: Choices,
    ask: Ask | None,
    provided: Provided,
) -> dict[str, Kind]:
    """Return the kind of each variable: as chosen, declared, classified, or answered by *ask*."""
    verdicts = {
        name: _verdict(variable, declared, choices, provided)
        for name, variable in file.variables.items()
    }
    kinds = {name: verdict.kind for name, verdict in verdicts.items() if verdict.kind}
    guessed = kinds.keys() - choices.settings - choices.skipped - declared.settings.keys()
    _propagate_secrets(file, kinds, (verdicts.keys() - kinds.keys()) | guessed)
    kinds |= _ask_kinds(file, {n: v for n, v in verdicts.items() if n not in kinds}, ask)
    kinds |= _ask_kinds(file, _contains_skipped(file, kinds, guessed), ask)
    _propagate_secrets(file, kinds, guessed)
    return {name: kinds[name] for name in file.variables}


def _verdict(
    variable: Variable, declared: DeclaredVariables, choices: Choices, provided: Provided
) -> Verdict:
    name = variable.name
    chosen = choices.kind(name)
    if chosen:
        return Verdict(chosen, f"--{chosen} says so")
    if name in declared.secrets:
        return Verdict(Kind.SECRET, "it is declared as one")
    guess = classify(name, variable.value)
    if name not in declared.settings:
        is_provided = provided.has(variable)
        return Verdict(Kind.SECRET, "the deployment provides it") if is_provided else guess
    if guess.kind is Kind.SECRET:
        setting = declared.settings[name]
        reason = f"{guess.reason}, but {setting} is declared as a setting"
        return Verdict(None, reason)
    return Verdict(Kind.SETTING, "it is declared as one")


def _propagate_secrets(
    file: DotenvFile, kinds: dict[str, Kind], candidates: Collection[str]
) -> None:
    """Change each variable in *candidates* to a secret if its value contains that of a secret."""
    for name in candidates:
        if any(kinds.get(used) is Kind.SECRET for used in file.variables[name].uses):
            kinds[name] = Kind.SECRET


def _contains_skipped(
    file: DotenvFile, kinds: Mapping[str, Kind], guessed: Collection[str]
) -> dict[str, Verdict]:
    """Return the guessed settings that contain what was skipped and may be a secret."""
    secret = {
        name
        for name, kind in kinds.items()
        if kind is Kind.SKIP and classify(name, file.variables[name].value).kind is not Kind.SETTING
    }
    return {
        name: Verdict(None, f"it contains the value of {min(used)}, which is skipped")
        for name in guessed
        if kinds[name] is Kind.SETTING and (used := secret & file.variables[name].uses)
    }


def _ask_kinds(file: DotenvFile, unsure: Mapping[str, Verdict], ask: Ask | None) -> dict[str, Kind]:
    if ask is not None:
        return {name: Kind(ask(name, verdict.reason)) for name, verdict in unsure.items()}
    if unsure:
        raise InvalidDotenv(
            file.fault(
                name,
                f"{name} may be a secret: {verdict.reason}; pass --secret {name}, "
                f"--setting {name} or --skip {name}",
            )
            for name, verdict in unsure.items()
        )
    return {}


def _reject_invalid(
    file: DotenvFile, kinds: Mapping[str, Kind], declared: DeclaredVariables
) -> None:
    faults = [
        file.fault(name, problem)
        for name, kind in kinds.items()
        if (problem := _find_problem(file.variables[name], kind, kinds, declared))
    ]
    if faults:
        raise InvalidDotenv(faults)


def _computed_reason(variable: str, secret: str | None, source: SecretSource | None) -> str:
    """Return the reason why the value of a derived or adopted *secret* cannot be imported."""
    if isinstance(source, Derived):
        return (
            f"{variable} is derived from {join_names(source.references)} in the declaration, so it "
            "cannot be imported; remove it here, or declare it as given"
        )
    return (
        f"{variable} is adopted in the declaration, and only the server sets its password; remove "
        f"it here, or undo that first with: strongroom adopt {secret} --undo"
    )


def _contained_secret(name: str, secret: str, declared: DeclaredVariables) -> str:
    """Return the reason why a variable with the value of *secret* cannot stay in the file."""
    is_setting = name in declared.settings
    hint = "declare it as one first" if is_setting else f"pass --secret {name}"
    return f"{name} contains the value of the secret {secret}, so it is a secret too; {hint}"


def _find_problem(
    variable: Variable, kind: Kind, kinds: Mapping[str, Kind], declared: DeclaredVariables
) -> str | None:
    """Return why *variable* cannot be of that *kind*, or None if it can."""
    name, (secret, source) = variable.name, declared.secrets.get(variable.name, (None, None))
    if kind is not Kind.SECRET:
        if secret and kind is Kind.SETTING:
            return f"{name} is declared as the secret {secret}; do not pass --setting for it"
        used = sorted(each for each in variable.uses if kinds[each] is Kind.SECRET)
        return _contained_secret(name, used[0], declared) if used else None
    if name in declared.settings:
        setting = declared.settings[name]
        return f"{name} is declared as the setting {setting}; declare it as a secret first"
    if secret in declared.adopted or isinstance(source, Derived):
        return _computed_reason(name, secret, source)
    if source and not declared.secret_name(name):
        listed, here = join_names(source.environments or ()), declared.scope.environment
        return f"{name} is declared for {listed} only; add {here} there first"
    return None


def _new_settings(
    file: DotenvFile, kinds: Mapping[str, Kind], declared: DeclaredVariables
) -> dict[str, Spec]:
    return {
        secret_name(name): _setting_spec(variable.value.reveal())
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
