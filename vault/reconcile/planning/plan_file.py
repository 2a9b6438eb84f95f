"""Plan files: a plan as JSON, applied later only if it is still the current plan."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app_integration import names
from app_integration._internal import formats
from app_integration._internal.input_file import read_input
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import Environment
from vault.reconcile.planning.build import Prune
from vault.reconcile.planning.plan import Action, Change, Plan

_MAX_SIZE: Final = 256 * 1024 * 1024  # bytes


class PlanOutdated(ConfigurationError):
    """A saved plan that is no longer current; nothing was written."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan loaded from a file."""

    environment: Environment
    prune: Prune | None
    digest: str
    changes: list[dict[str, Any]]
    service: str | None = None
    may_widen: bool = False

    def require_current(self, plan: Plan) -> None:
        """Check that *plan*, which was just built, equals this one."""
        remedy = f"make another plan, with: strongroom plan --env {self.environment} --out FILE"
        if plan.digest != self.digest:
            raise PlanOutdated(f"the server changed since this plan was made; {remedy}")
        if _changes(plan) != self.changes:
            raise PlanOutdated(
                "the declaration changed since this plan was made, or the operator-provided values "
                f"differ; pass the same --given, or {remedy}"
            )


def document(
    plan: Plan, environment: Environment, prune: Prune | None = None, service: str | None = None
) -> dict[str, Any]:
    """Return *plan* as a JSON document. A plan contains no secret value.

    Without a *service* or a widening it has no key for that, like one of an earlier version.
    """
    widening = {
        "widen": plan.may_widen,
        "widening": [{"change": str(change), "grants": what} for change, what in plan.widening],
    }
    return {
        "format": formats.PLAN_FILE.current,
        "environment": str(environment),
        **({} if service is None else {"service": service}),
        "prune": None if prune is None else sorted(prune.destroy),
        "digest": plan.digest,
        "changes": _changes(plan),
        "missing": list(plan.missing),
        "kept": list(plan.kept),
        "absent": list(plan.absent),
        "not_compared": list(plan.not_compared),
        **(widening if plan.widening else {}),
        "summary": {
            **{str(action): plan.count(action) for action in Action},
            "unchanged": plan.unchanged,
        },
    }


def save(file: Path, content: dict[str, Any]) -> None:
    """Write *content*, a document that :func:`document` returned, to *file* with mode 0600."""
    try:
        write_private(file, f"{json.dumps(content, indent=2)}\n")
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written: {error.strerror}; name another file"
        ) from None


def load(file: Path) -> SavedPlan:
    """Return the plan in *file*."""
    try:
        content = json.loads(read_input(file, _MAX_SIZE))
        refusal = formats.PLAN_FILE.describe_refusal(content["format"])
        saved = None if refusal else _saved(content)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}; name a file of plan --out"
        ) from None
    except (ValueError, KeyError, TypeError, InvalidName):
        refusal = saved = None
    if refusal is not None:
        raise ConfigurationError(f"{file}: the plan {refusal}, or make a plan with plan --out")
    if saved is None:
        raise ConfigurationError(f"{file} is not a plan; make one with plan --out")
    return saved


def _saved(content: dict[str, Any]) -> SavedPlan:
    environment = names.parse_environment(content["environment"])
    destroy = content["prune"]
    prune = None if destroy is None else Prune(environment, tuple(destroy))
    return SavedPlan(
        environment,
        prune,
        content["digest"],
        content["changes"],
        content.get("service"),
        content.get("widen", False),
    )


def _changes(plan: Plan) -> list[dict[str, Any]]:
    return [_change(change) for change in plan.changes]


def _change(change: Change) -> dict[str, Any]:
    return {
        "action": str(change.action),
        "kind": change.kind,
        "name": change.resource.name,
        "fields": [
            {
                "field": each.field,
                "before": to_json_value(each.before),
                "after": to_json_value(each.after),
            }
            for each in change.fields
        ],
    }


def to_json_value(value: Any) -> Any:
    """Return *value* as JSON types. A value that JSON has no type for becomes text."""
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
