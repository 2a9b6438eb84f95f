"""A plan in a file: shown to people and programs, and carried out only if it still holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app_integration import names
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import Environment
from vault.reconcile.planning.build import Prune
from vault.reconcile.planning.plan import Action, Change, Plan

FORMAT: Final = 1


class PlanOutdated(ConfigurationError):
    """The server or the declaration changed since the plan was made; nothing was written."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What a file says of the plan in it.

    Attributes:
        digest: hash of all that was read for it.
        changes: as :func:`document` gives them.

    """

    environment: Environment
    prune: Prune | None
    digest: str
    changes: list[dict[str, Any]]

    def check(self, plan: Plan) -> None:
        """Refuse *plan*, just made anew, when it isn't this one.

        Raises:
            PlanOutdated: with what has changed.

        """
        if plan.digest != self.digest:
            raise PlanOutdated("the server changed since this plan was made; make another")
        if _changes(plan) != self.changes:
            raise PlanOutdated(
                "the declaration changed since this plan was made, or other values are given; "
                "make another, or pass the same --given"
            )


def document(plan: Plan, environment: Environment, prune: Prune | None = None) -> dict[str, Any]:
    """*plan* as JSON has it. No secret value is in a plan."""
    return {
        "format": FORMAT,
        "environment": str(environment),
        "prune": None if prune is None else sorted(prune.destroy),
        "digest": plan.digest,
        "changes": _changes(plan),
        "missing": list(plan.missing),
        "kept": list(plan.kept),
        "absent": list(plan.absent),
        "summary": {
            **{str(action): plan.count(action) for action in Action},
            "unchanged": plan.unchanged,
        },
    }


def save(file: Path, content: dict[str, Any]) -> None:
    """Write what :func:`document` gave to *file*, mode 0600.

    Raises:
        ConfigurationError: it can't be written there.

    """
    try:
        write_private(file, f"{json.dumps(content, indent=2)}\n")
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {error.strerror}") from None


def load(file: Path) -> SavedPlan:
    """The plan in *file*.

    Raises:
        ConfigurationError: it can't be read, or isn't a plan.

    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        saved = _saved(content) if content["format"] == FORMAT else None
    except OSError as error:
        raise ConfigurationError(f"{file} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, InvalidName):
        saved = None
    if saved is None:
        raise ConfigurationError(f"{file} isn't a plan of this version; make one with plan --out")
    return saved


def _saved(content: dict[str, Any]) -> SavedPlan:
    environment = names.environment(content["environment"])
    destroy = content["prune"]
    prune = None if destroy is None else Prune(environment, tuple(destroy))
    return SavedPlan(environment, prune, content["digest"], content["changes"])


def _changes(plan: Plan) -> list[dict[str, Any]]:
    return [_change(change) for change in plan.changes]


def _change(change: Change) -> dict[str, Any]:
    return {
        "action": str(change.action),
        "kind": change.kind,
        "name": change.resource.name,
        "fields": [
            {"field": each.field, "before": plain(each.before), "after": plain(each.after)}
            for each in change.fields
        ],
    }


def plain(value: Any) -> Any:
    """*value* as JSON has it: what JSON doesn't know is text."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
