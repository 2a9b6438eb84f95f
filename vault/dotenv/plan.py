"""What an import would do: which variables are secrets, and what the declaration lacks of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.secret import Secret
from vault.declare.declaration import Declaration
from vault.declare.edit.service_file import Spec
from vault.declare.faults import listed, nearest
from vault.declare.schema.model import Derived, SecretSource
from vault.dotenv.classify import Kind, Verdict, classify
from vault.dotenv.parse import DotenvFile, DotenvRejected, Variable
from vault.dotenv.proof import same
from vault.dotenv.text import setting_text, telling_comments

#: Variable and reason for doubt → ``secret``, ``setting`` or ``skip``.
Ask = Callable[[str, str], str]

_GIVEN: Final[Spec] = {"source": "given"}
#: What ``str(int(text))`` gives back unchanged.
_INTEGER: Final = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the operator said beforehand, by variable."""

    secrets: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """An import in full; nothing has been sent or written.

    Attributes:
        kinds: of each variable in the file.
        secrets: secret name → the variable that holds its value.
        new_secrets: what the declaration lacks.
        new_settings: as above, with the file's values as defaults.
        declared: every secret that the service will have in this environment, sorted.
        notes: what the operator should know, without values.

    """

    file: DotenvFile
    scope: Scope
    kinds: Mapping[str, Kind]
    secrets: Mapping[str, Variable]
    new_secrets: Mapping[str, Spec]
    new_settings: Mapping[str, Spec]
    declared: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def values(self) -> dict[str, Secret]:
        """Secret name → value."""
        return {name: variable.value for name, variable in self.secrets.items()}

    def variables(self, kind: Kind) -> list[str]:
        """The variables of that *kind*, in the order of the file."""
        return [name for name in self.file.variables if self.kinds[name] is kind]


@dataclass(frozen=True, slots=True)
class Known:
    """What is declared of a service, by variable.

    Attributes:
        secrets: variable → name and source, whatever the environment.
        settings: variable → name.
        values: setting name → its value in this environment.
        adopted: secrets whose password the server sets itself.

    """

    scope: Scope
    secrets: Mapping[str, tuple[str, SecretSource]]
    settings: Mapping[str, str]
    values: Mapping[str, str | int | bool]
    adopted: Collection[str] = ()

    def here(self, variable: str) -> str | None:
        """The secret that *variable* is in this environment, if it is one."""
        name, source = self.secrets.get(variable, (None, None))
        return name if source and self.scope.environment in source.environments else None


def known(declaration: Declaration, scope: Scope) -> Known:
    """What *declaration* says of the service.

    Raises:
        ConfigurationError: no such service, or it doesn't run in that environment.

    """
    service = declaration.service(scope.service)
    return Known(
        scope=scope,
        secrets={names.variable_name(name): (name, spec) for name, spec in service.secrets.items()},
        settings={names.variable_name(name): name for name in service.settings},
        values=declaration.settings(scope),
        adopted=tuple(declaration.adopted(scope)),
    )


def make_plan(
    file: DotenvFile,
    declaration: Declaration,
    scope: Scope,
    choices: Choices | None = None,
    ask: Ask | None = None,
) -> ImportPlan:
    """The import of *file* into *scope*. Pure but for what *ask* does.

    Args:
        file: what :func:`vault.dotenv.parse.read` gave.
        declaration: as it is before the import.
        scope: service and environment.
        choices: answers given beforehand; they count before anything that can be guessed.
        ask: answers where it is unsure; None in a run that can't ask.

    Raises:
        ConfigurationError: a choice that fits no variable.
        DotenvRejected: variables that nobody decided on, or that the declaration forbids, each
            with its line.

    """
    declared = known(declaration, scope)
    kinds = _kinds(file, declared, _checked(choices or Choices(), file, declared), ask)
    _refuse(file, kinds, declared)
    secrets = {
        declared.here(name) or names.secret_name(name): file.variables[name]
        for name, kind in kinds.items()
        if kind is Kind.SECRET
    }
    return ImportPlan(
        file=file,
        scope=scope,
        kinds=kinds,
        secrets=secrets,
        new_secrets={n: _GIVEN for n, each in secrets.items() if each.name not in declared.secrets},
        new_settings=_new_settings(file, kinds, declared),
        declared=tuple(sorted({*declaration.secrets(scope), *secrets})),
        notes=tuple(_notes(file, kinds, declared)),
    )


def _checked(choices: Choices, file: DotenvFile, declared: Known) -> Choices:
    both = choices.secrets & choices.settings
    if both:
        raise ConfigurationError(f"--secret and --setting are both given for {listed(both)}")
    variables = {*file.variables, *declared.secrets, *declared.settings}
    for name in sorted((choices.secrets | choices.settings) - variables):
        near = nearest(name, [each.lower() for each in variables])
        hint = f"; did you mean {near.upper()}?" if near else ""
        raise ConfigurationError(f"{file.path} sets no variable {name!r}{hint}")
    return choices


def _kinds(file: DotenvFile, declared: Known, choices: Choices, ask: Ask | None) -> dict[str, Kind]:
    """Of each variable: what was said or declared, what can be told, and what *ask* answers."""
    verdicts = {
        name: _verdict(variable, declared, choices) for name, variable in file.variables.items()
    }
    kinds = {name: verdict.kind for name, verdict in verdicts.items() if verdict.kind}
    guessed = kinds.keys() - choices.settings - declared.settings.keys()
    _spread(file, kinds, (verdicts.keys() - kinds.keys()) | guessed)
    kinds |= _answers(file, {n: v for n, v in verdicts.items() if n not in kinds}, ask)
    _spread(file, kinds, guessed)
    return {name: kinds[name] for name in file.variables}


def _verdict(variable: Variable, declared: Known, choices: Choices) -> Verdict:
    name = variable.name
    if name in choices.secrets:
        return Verdict(Kind.SECRET, "--secret says so")
    if name in choices.settings:
        return Verdict(Kind.SETTING, "--setting says so")
    if name in declared.secrets:
        return Verdict(Kind.SECRET, "it is declared as one")
    guess = classify(name, variable.value)
    if name not in declared.settings:
        return guess
    if guess.kind is Kind.SECRET:
        setting = declared.settings[name]
        reason = f"{guess.reason}, but {setting} is declared as a setting"
        return Verdict(None, reason)
    return Verdict(Kind.SETTING, "it is declared as one")


def _spread(file: DotenvFile, kinds: dict[str, Kind], open_: Collection[str]) -> None:
    """Make secrets of those in *open_* whose value has the value of a secret in it."""
    for name in open_:
        if any(kinds.get(used) is Kind.SECRET for used in file.variables[name].uses):
            kinds[name] = Kind.SECRET


def _answers(file: DotenvFile, unsure: Mapping[str, Verdict], ask: Ask | None) -> dict[str, Kind]:
    if ask is not None:
        return {name: Kind(ask(name, verdict.reason)) for name, verdict in unsure.items()}
    if unsure:
        raise DotenvRejected(
            file.fault(
                name,
                f"{name} may be a secret: {verdict.reason}; give --secret {name}, "
                f"or --setting {name}",
            )
            for name, verdict in unsure.items()
        )
    return {}


def _refuse(file: DotenvFile, kinds: Mapping[str, Kind], declared: Known) -> None:
    faults = [
        file.fault(name, problem)
        for name, kind in kinds.items()
        if (problem := _problem(file.variables[name], kind, kinds, declared))
    ]
    if faults:
        raise DotenvRejected(faults)


def _follows_others(variable: str, secret: str | None, source: SecretSource | None) -> str:
    """Why nobody gives the value of a derived or an adopted *secret*."""
    if isinstance(source, Derived):
        return (
            f"{variable} is derived from {listed(source.references)} in the declaration and "
            "follows them; remove it here, or declare it as given"
        )
    return (
        f"{variable} is adopted in the declaration, and its password is the server's; remove it "
        f"here, or go back first with: strongroom adopt {secret} --undo"
    )


def _problem(
    variable: Variable, kind: Kind, kinds: Mapping[str, Kind], declared: Known
) -> str | None:
    """Why *variable* can't be of that *kind*, if it can't."""
    name, (secret, source) = variable.name, declared.secrets.get(variable.name, (None, None))
    if kind is not Kind.SECRET:
        if secret:
            return f"{name} is declared as the secret {secret}; it can't stay in the file"
        used = sorted(each for each in variable.uses if kinds[each] is Kind.SECRET)
        return f"{name} holds the value of the secret {used[0]}, so it is one too" if used else None
    if name in declared.settings:
        setting = declared.settings[name]
        return f"{name} is declared as the setting {setting}; make that a secret there first"
    if secret in declared.adopted or isinstance(source, Derived):
        return _follows_others(name, secret, source)
    if source and not declared.here(name):
        here = declared.scope.environment
        return f"{name} is declared for {listed(source.environments)} only; add {here} there first"
    return None


def _new_settings(file: DotenvFile, kinds: Mapping[str, Kind], declared: Known) -> dict[str, Spec]:
    return {
        names.secret_name(name): _spec(variable.value.reveal())
        for name, variable in file.variables.items()
        if kinds[name] is Kind.SETTING and name not in declared.settings
    }


def _spec(value: str) -> Spec:
    """*value* in the one type that writes it back as it is."""
    if value in {"true", "false"}:
        return {"type": "boolean", "default": value == "true"}
    if _INTEGER.fullmatch(value):
        return {"type": "integer", "default": int(value)}
    return {"type": "text", "default": value}


def _notes(file: DotenvFile, kinds: Mapping[str, Kind], declared: Known) -> Iterator[str]:
    for name, variable in file.variables.items():
        *earlier, last = variable.lines
        if earlier:
            lines = ", ".join(map(str, earlier))
            yield f"{name} is set on line {lines} and again on line {last}, which counts"
        if variable.uses:
            yield f"{name} takes ${{{'}, ${'.join(sorted(variable.uses))}}}, as python-dotenv does"
        setting = declared.settings.get(name)
        there = declared.values.get(setting) if setting else None
        if setting and (there is None or not same(setting_text(there), variable.value)):
            yield (
                f"{name} isn't what is declared as {setting}: the file keeps its value, and a "
                "delivered config has the declaration's"
            )
        if kinds[name] is Kind.SKIP:
            yield f"{name} was skipped: it stays in the file and is declared nowhere"
    secrets = [name for name, kind in kinds.items() if kind is Kind.SECRET]
    for line in telling_comments(file, secrets) if secrets else ():
        yield f"the comment on line {line} may hold a secret; the new file is without it"
