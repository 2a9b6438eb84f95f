"""Dashboard of Grafana, whose panels are in ``dashboard.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from vault.declare import load
from vault.declare.schema.base import Section

FILE: Final = Path(__file__).with_name("dashboard.yaml")
#: Version of the format, which a newer Grafana converts.
SCHEMA_VERSION: Final = 39
UID: Final = "strongroom"
_SELECTIONS: Final = {
    "WHERE": 'environment=~"$environment"',
    "LABELS": 'environment=~"$environment", service=~"$service"',
}
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
#: Units of the grid, which is 24 wide.
_WIDTH: Final = 8
_HEIGHT: Final = 7
_COLUMNS: Final = 24 // _WIDTH


class Panel(Section):
    """A panel. *queries* maps each legend to its query in PromQL."""

    title: str
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    unit: str = "short"
    queries: Mapping[str, str]


class _Rows(Section):
    rows: Mapping[str, tuple[Panel, ...]]


@cache
def read_rows() -> Mapping[str, tuple[Panel, ...]]:
    """Return the panels of each row."""
    return _Rows.model_validate({"rows": load.read_document(FILE).data}).rows


def select_labels(query: str) -> str:
    """Return *query* with the variables of the dashboard in place of its short forms."""
    for name, selection in _SELECTIONS.items():
        query = query.replace(name, selection)
    return query.strip()


def build_dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": UID,
        "title": "Strongroom",
        "tags": ["strongroom"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [*_variables()]},
        "panels": [*_panels()],
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "type": "datasource", "query": "prometheus"}
    for name, metric in (("environment", 'up{component!=""}'), ("service", 'up{service!=""}')):
        query = f"label_values({metric}, {name})"
        yield {
            "name": name,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,  # when the time range changes
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def _panels() -> Iterator[dict[str, Any]]:
    """Yield each row's heading and panels, with an id of their own, from top to bottom."""
    number, top = 0, 0
    for title, panels in read_rows().items():
        number += 1
        place = {"x": 0, "y": top, "w": _WIDTH * _COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": title, "gridPos": place, "panels": []}
        top += 1
        for index, panel in enumerate(panels):
            number += 1
            x, y = index % _COLUMNS * _WIDTH, top + index // _COLUMNS * _HEIGHT
            place = {"x": x, "y": y, "w": _WIDTH, "h": _HEIGHT}
            yield {"id": number, "gridPos": place, **_content(panel)}
        top += -(-len(panels) // _COLUMNS) * _HEIGHT


def _content(panel: Panel) -> dict[str, Any]:
    is_instant = panel.kind != "timeseries"
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": select_labels(query),
            "legendFormat": legend,
            "instant": is_instant,
            "range": not is_instant,
        }
        for index, (legend, query) in enumerate(panel.queries.items())
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": targets,
    }
