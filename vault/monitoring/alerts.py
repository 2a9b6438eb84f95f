"""Reader of the alerts: the built-in ones, with the keys of a team's file in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from vault.declare import durations, load, source_file
from vault.declare.declaration import Declaration
from vault.declare.errors import FieldError, Loc, format_value, join_names, suggest
from vault.declare.schema.base import Section
from vault.declare.schema.monitoring import Monitoring, Pending, Severity, Threshold
from vault.declare.yaml.document import Document

BUILT_IN: Final = Path(__file__).with_name("alerts.yaml")
#: Name of a team's file, beside ``services`` and ``environments``.
FILE: Final = "monitoring.yaml"
_PLACE: Final = "{threshold}"


class Alert(Section):
    """An alert. *pending* is in seconds, as is a *threshold* that is a duration.

    ``{threshold}`` in *expr* stands for the threshold.
    """

    expr: str
    threshold: Threshold | None = None
    pending: Pending = 0
    severity: Severity
    needs: Literal["server"] | None = None
    summary: str
    action: str
    runbook: str
    enabled: bool = True

    @property
    def rendered_expr(self) -> str:
        """Return the expression with the threshold in its place."""
        expr, value = self.expr.strip(), self.threshold
        if value is None:
            return expr
        number = durations.parse(value) if isinstance(value, str) else value
        return expr.replace(_PLACE, f"{number:.12g}")


class _BuiltIn(Section):
    alerts: Mapping[str, Alert]


@cache
def built_in() -> Mapping[str, Alert]:
    """Return the built-in alerts by name."""
    return _BuiltIn.model_validate(load.read_document(BUILT_IN).data).alerts


def read_monitoring(folder: Path, declaration: Declaration) -> Monitoring:
    """Return the ``monitoring.yaml`` of a declaration, or the defaults if it has none."""
    path = source_file.find(folder, FILE)
    if path is None:
        return Monitoring()
    doc = load.read_document(path)
    load.check_document(Monitoring, doc, _find_errors(doc, declaration))
    return Monitoring.model_validate(doc.data)


def select_alerts(monitoring: Monitoring) -> dict[str, Alert]:
    """Return the alerts that are enabled, with the keys that *monitoring* changes."""
    alerts = {}
    for name, alert in built_in().items():
        changes = monitoring.alerts.get(name)
        given = {} if changes is None else changes.model_dump(exclude_unset=True)
        changed = alert.model_copy(update=given)
        if changed.enabled:
            alerts[name] = changed
    return alerts


def _find_errors(doc: Document, declaration: Declaration) -> Iterator[FieldError]:
    """Yield what the model cannot know: names of what is declared elsewhere, and thresholds."""
    yield from _alert_errors(_mapping(doc.data.get("alerts")))
    for environment, scraped in _mapping(doc.data.get("environments")).items():
        loc = ("environments", environment)
        if environment not in declaration.environments:
            known = join_names(map(str, declaration.environments))
            yield FieldError(loc, "is not declared", known)
        applications = _mapping(scraped).get("applications")
        yield from _application_errors((*loc, "applications"), applications, declaration)


def _application_errors(
    loc: Loc, applications: object, declaration: Declaration
) -> Iterator[FieldError]:
    for number, each in enumerate(applications if isinstance(applications, list | tuple) else ()):
        service = _mapping(each).get("service")
        if isinstance(service, str) and service not in declaration.services:
            what, known = f"is {format_value(service)}", join_names(declaration.services)
            yield FieldError((*loc, number, "service"), what, known)


def _mapping(value: object) -> Mapping[Any, Any]:
    """Return *value* if it is a mapping, else an empty one, because the model reports that."""
    return value if isinstance(value, Mapping) else {}


def _alert_errors(given: Mapping[Any, Any]) -> Iterator[FieldError]:
    for name, keys in given.items():
        alert = built_in().get(name)
        if alert is None:
            near = suggest(str(name), built_in())
            yield FieldError(("alerts", name), "is no alert", "one of the built-in alerts", near)
        elif isinstance(keys, Mapping) and "threshold" in keys:
            yield from _threshold_errors(("alerts", name, "threshold"), keys["threshold"], alert)


def _threshold_errors(loc: Loc, value: object, alert: Alert) -> Iterator[FieldError]:
    if alert.threshold is None:
        yield FieldError(loc, "is a key that this alert does not have", "no threshold")
    elif isinstance(value, str) != isinstance(alert.threshold, str):
        expected = "a duration" if isinstance(alert.threshold, str) else "a number"
        yield FieldError(loc, f"is {value}", f"{expected}, as {alert.threshold}")
