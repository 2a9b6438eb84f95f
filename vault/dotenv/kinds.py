"""Kinds of the variables in a file: as chosen, declared, classified or answered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from vault.declare.errors import join_names
from vault.declare.schema.secret_sources import Derived, SecretSource
from vault.dotenv.accounts import Accounts
from vault.dotenv.choices import Choices, check_choices
from vault.dotenv.classify import Kind, Verdict, classify
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import Provided
from vault.dotenv.parse import DotenvFile, InvalidDotenv, Variable
from vault.dotenv.problems import Problems
from vault.dotenv.proof import values_equal
from vault.dotenv.variable_names import check_names

#: Asks the operator: variable and reason for the question → ``secret``, ``setting`` or ``skip``.
Ask = Callable[[str, str], str]


def decide_kinds(
    file: DotenvFile,
    declared: DeclaredVariables,
    choices: Choices,
    ask: Ask | None,
    provided: Provided,
    accounts: Accounts,
) -> dict[str, Kind]:
    """Return the kind of each variable."""
    problems, known = Problems(), {*declared.secrets, *declared.settings}
    problems.attempt(lambda: check_choices(choices, file.path, file.variables, known))
    problems.attempt(lambda: check_names(file, choices.skipped))
    asked = None if problems else ask  # with another problem, a question would be asked in vain
    verdicts = {
        name: _verdict(variable, declared, choices, provided)
        for name, variable in file.variables.items()
    } | accounts.verdicts
    fixed = choices.settings | choices.skipped | declared.settings.keys()
    found = problems.attempt(lambda: _decide_kinds(file, verdicts, fixed, asked))
    kinds = found or _decide_kinds(file, verdicts, fixed, lambda *_: Kind.SKIP)
    problems.attempt(lambda: _reject_invalid(file, kinds, declared))
    if problems:
        raise problems.error()
    return kinds


def _decide_kinds(
    file: DotenvFile, verdicts: Mapping[str, Verdict], fixed: Collection[str], ask: Ask | None
) -> dict[str, Kind]:
    """Return the kind of each variable. The settings and skipped ones in *fixed* stay as such."""
    kinds = {name: verdict.kind for name, verdict in verdicts.items() if verdict.kind}
    guessed = kinds.keys() - fixed
    _propagate_secrets(file, kinds, (verdicts.keys() - kinds.keys()) | guessed)
    kinds |= _ask_kinds(file, {n: v for n, v in verdicts.items() if n not in kinds}, ask)
    kinds |= _ask_kinds(file, _contains_skipped(file, kinds, guessed), ask)
    _propagate_secrets(file, kinds, guessed)
    _keep_used_parts(file, kinds)
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
        is_provided = provided.has(name)
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


def _keep_used_parts(file: DotenvFile, kinds: dict[str, Kind]) -> None:
    """Make each part a setting again that a variable uses which stays in the file."""
    staying = [name for name, kind in kinds.items() if kind in {Kind.SETTING, Kind.SKIP}]
    used = frozenset[str]().union(*(file.variables[name].uses for name in staying))
    kinds |= {name: Kind.SETTING for name in used if kinds[name] is Kind.PART}


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
    equal = find_equal(file, declared)
    faults = [
        file.fault(name, problem)
        for name, kind in kinds.items()
        if name not in equal
        and (problem := _find_problem(file.variables[name], kind, kinds, declared))
    ]
    if faults:
        raise InvalidDotenv(faults)


def find_equal(file: DotenvFile, declared: DeclaredVariables) -> dict[str, str]:
    """Return the variables with the value of the secret that is all their own consists of."""
    variables = {secret: name for name, (secret, _) in declared.secrets.items()}
    found = {
        name: source.references[0]
        for name, (_, source) in declared.secrets.items()
        if isinstance(source, Derived) and source.format == f"{{{source.references[0]}}}"
    }
    return {
        name: secret
        for name, secret in found.items()
        if {name, variables.get(secret)} <= file.variables.keys()
        and values_equal(file.variables[name].value, file.variables[variables[secret]].value)
    }


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
