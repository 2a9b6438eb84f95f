"""Declaration of a service from a ``.env`` file, with the questions that it takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from console.commands.start.authoring import DESCRIPTION, OWNER, relative_folder, write_service
from console.scaffold.new_service import NewService
from console.target.local_start import startable_deployment
from console.target.target import Target
from console.views.questions import Question, answer, has_terminal
from local.services.application import check_application
from vault.declare.errors import suggest
from vault.declare.schema.model import ServiceDeclaration
from vault.dotenv import swap
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import DATABASE, provided_to_new
from vault.dotenv.kinds import Ask
from vault.dotenv.parse import DotenvFile
from vault.dotenv.plan import ImportPlan, build_import_plan
from vault.dotenv.problems import Problems
from vault.dotenv.variable_names import secret_name


@dataclass(frozen=True, slots=True)
class CreationOptions:
    """Options about a service that is not declared."""

    is_confirmed: bool = False
    owner: str | None = None
    description: str | None = None
    keys: Sequence[str] = ()
    application: Path | None = None


class EnvCreation:
    """Declaration of the service of *scope* from a ``.env`` file.

    *ask_kind* asks for the kind of an unclear variable, and *say* receives each line of progress.
    """

    def __init__(
        self,
        target: Target,
        scope: Scope,
        choices: Choices,
        options: CreationOptions,
        ask_kind: Ask,
        say: Callable[[str], None],
    ) -> None:
        self._scope = scope
        self._target = target
        self._choices = choices
        self._options = options
        self._ask_kind = ask_kind
        self._print = say

    def create(self, file: DotenvFile) -> ImportPlan:
        """Declare the service, and return the plan of the import into it.

        The file is classified before the first question, and everything is checked before anything
        is written.
        """
        names.check_service_name(self._scope.service)
        repository, declaration = self._target.checkout.repository, self._target.declaration
        existing = declaration.services.get(self._scope.service)
        if self._options.application:
            check_application(self._options.application)  # otherwise each answer is typed again
        self._confirm(file, list(declaration.services))
        startable_deployment(self._target)
        plan, answers = self._ask(file, existing)
        application = self._options.application
        new = new_service(
            plan,
            answers["--owner"],
            answers["--description"],
            self._options.keys,
            relative_folder(repository, application) if application else None,
        )
        if existing and new.path(repository).read_text(encoding="utf-8") != new.text(repository):
            raise ConfigurationError(
                f"{new.path(repository)} exists with other content than {file.path} leads to; add "
                f"{self._scope.service} under services in environments/{self._scope.environment}"
                ".yaml, and run this again"
            )
        for line in write_service(new, repository):
            self._print(line)
        return replace(plan, new_secrets={}, new_settings={})

    def _ask(
        self, file: DotenvFile, existing: ServiceDeclaration | None
    ) -> tuple[ImportPlan, dict[str, str]]:
        """Return the plan, and owner and description."""
        problems, ask = Problems(), self._ask_kind if has_terminal() else None
        plan = problems.attempt(lambda: self._plan_new(file, ask))
        if plan is None and ask:
            raise problems.error()
        answers = problems.attempt(lambda: self._answers(existing))
        has_secrets = plan is None or plan.has_secrets
        problems.attempt(lambda: swap.check(file, has_secrets=has_secrets))
        if plan is None or answers is None or problems:
            raise problems.error()
        return plan, answers

    def _confirm(self, file: DotenvFile, known: Sequence[str]) -> None:
        """Ask whether to declare the service, after *file* was classified."""
        text = self._check_creatable(known)
        if self._options.is_confirmed:
            return
        if not has_terminal():
            raise ConfigurationError(
                f"{text}; to create it from {file.path}, pass --create with --owner and "
                f"--description, or declare it with: strongroom new service {self._scope.service}"
            )
        plan = self._plan_new(file, lambda *_: Kind.SKIP)
        self._print(summarise(plan, set(plan.variables(Kind.SKIP)) - self._choices.skipped))
        typer.confirm(f"{text}; create it from this file?", default=True, abort=True)

    def _check_creatable(self, known: Sequence[str]) -> str:
        """Return that the service is not declared; raise an error if none can be created here."""
        service, environment = self._scope.service, self._scope.environment
        if service in known and not self._target.is_local:
            raise ConfigurationError(
                f"{service} has no entry under services in environments/{environment}.yaml; add one"
            )
        near = suggest(service, [name for name in known if name != service])
        text = f"{service} is not declared" + (f" (did you mean {near}?)" if near else "")
        if not self._target.is_local:
            raise ConfigurationError(
                f"{text} in {environment}; declare it with: strongroom new service {service}"
            )
        return text

    def preview(self, file: DotenvFile, known: Sequence[str]) -> ImportPlan:
        """Return the plan of an import that skips the variables that are unclear."""
        self._check_creatable(known)
        return self._plan_new(file, lambda *_: Kind.SKIP)

    def _plan_new(self, file: DotenvFile, ask: Ask | None) -> ImportPlan:
        declared = DeclaredVariables(self._scope, {}, {}, {})
        return build_import_plan(file, declared, self._choices, ask, provided_to_new(file))

    def _answers(self, existing: ServiceDeclaration | None) -> dict[str, str]:
        """Return owner and description, which a killed command may have declared already."""
        owner, description = self._options.owner, self._options.description
        if existing:
            owner, description = owner or existing.owner, description or existing.description
        questions = {
            "--owner": Question(OWNER, owner),
            "--description": Question(DESCRIPTION, description),
        }
        return answer(questions)


def new_service(
    plan: ImportPlan,
    owner: str,
    description: str,
    keys: Sequence[str] = (),
    application: str | None = None,
) -> NewService:
    """Return the service with the secrets and settings of *plan*."""
    formats = {name: spec.get("format") for name, spec in plan.new_secrets.items()}
    return NewService(
        plan.scope.service,
        owner,
        description,
        given=[name for name, text in formats.items() if text is None],
        derived={name: str(text) for name, text in formats.items() if text is not None},
        keys=keys,
        has_database=DATABASE in plan.replaced,
        application=application,
        settings=plan.new_settings,
    )


def summarise(plan: ImportPlan, unclear: Collection[str] = ()) -> str:
    """Return what *plan* makes of the file, one line for each kind, by the names in the file."""
    twins = [each for each in plan.variables(Kind.SECRET) if secret_name(each) in plan.twins]
    replaced = [name for each in plan.replaced.values() for name in each.name.split(", ")]
    skipped = [name for name in plan.variables(Kind.SKIP) if name not in unclear]
    rows = {
        "secrets, on the server": [each.name for each in plan.secrets.values()],
        "settings, which go to git with their values": plan.variables(Kind.SETTING),
        "of this machine's servers": [*replaced, *twins],
        "skipped, only in the file": skipped,
        "unclear": sorted(unclear),
    }
    lines = [
        f"  {title} ({len(names)}): {', '.join(names)}" for title, names in rows.items() if names
    ]
    return "\n".join([f"{plan.scope.service}:", *lines])


def describe(plan: ImportPlan, skipped: Collection[str]) -> str:
    """Return the summary and the notes of a plan that skips what is unclear."""
    unclear = set(plan.variables(Kind.SKIP)) - set(skipped)
    notes = [f"note: {each}" for each in plan.notes if each.split(" was skipped")[0] not in unclear]
    return "\n".join([summarise(plan, unclear), *notes])
