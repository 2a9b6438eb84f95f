"""Dashboard of an environment: its alarms, what they count, and queries for what to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from app_integration.observability.emf import ACCESSES, DIMENSIONS, HITS, NAMESPACE
from aws.monitoring.monitored_environment import Watched
from aws.resources import policy_text
from aws.resources.alarm import Alarm
from aws.resources.dashboard import Dashboard

#: The grid is 24 units wide.
_WIDTH: Final = 24
_COLUMNS: Final = 3
_HEIGHT: Final = 6
_PERIOD: Final = 300  # seconds
#: Title → query over the log group.
_QUERIES: Final = {
    "Errors of requests": (
        "fields @timestamp, eventName, errorCode, userIdentity.arn, errorMessage"
        " | filter eventSource in ['secretsmanager.amazonaws.com', 'kms.amazonaws.com']"
        " | filter ispresent(errorCode)"
        " | sort @timestamp desc | limit 50"
    ),
    "Who reads which secret": (
        "filter eventSource = 'secretsmanager.amazonaws.com' and eventName = 'GetSecretValue'"
        " | stats count(*) as reads, max(eventTime) as last"
        " by requestParameters.secretId, userIdentity.arn"
        " | sort reads desc | limit 50"
    ),
}


def build_dashboard(
    watched: Watched, alarms: Sequence[Alarm], services: Sequence[str]
) -> Dashboard:
    """Return the dashboard."""
    widgets = [*_widgets(watched, alarms, services)]
    return Dashboard(watched.dashboard, policy_text({"widgets": widgets}))


def _widgets(
    watched: Watched, alarms: Sequence[Alarm], services: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield the widgets from top to bottom."""
    states = {"title": "Alarms", "alarms": [alarm.arn for alarm in alarms]}
    yield _widget("alarm", 0, 0, _WIDTH, states)
    top = _HEIGHT
    width = _WIDTH // _COLUMNS
    for index, alarm in enumerate(alarms):
        row, column = divmod(index, _COLUMNS)
        graph = _graph(watched, alarm)
        yield _widget("metric", column * width, top + row * _HEIGHT, width, graph)
    top += -(-len(alarms) // _COLUMNS) * _HEIGHT
    for column, graph in enumerate(_accesses(watched, services) if services else ()):
        yield _widget("metric", column * _WIDTH // 2, top, _WIDTH // 2, graph)
    top += _HEIGHT if services else 0
    for title, query in _QUERIES.items():
        table = {
            "title": title,
            "region": watched.account.region,
            "query": f"SOURCE '{watched.log_group}' | {query}",
            "view": "table",
        }
        yield _widget("log", 0, top, _WIDTH, table)
        top += _HEIGHT


def _widget(kind: str, x: int, y: int, width: int, properties: dict[str, Any]) -> dict[str, Any]:
    place = {"x": x, "y": y, "width": width, "height": _HEIGHT}
    return {"type": kind, **place, "properties": properties}


def _accesses(watched: Watched, services: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the graphs of what the services' processes count, if they write it."""
    place = {"region": watched.account.region, "stat": "Sum", "period": _PERIOD}

    def lines(name: str, **options: Any) -> list[Any]:
        environment, of_service = DIMENSIONS
        return [
            [
                *(NAMESPACE, name, environment, str(watched.environment), of_service, service),
                {"id": f"{name.lower()}{number}", **options},
            ]
            for number, service in enumerate(services)
        ]

    rate = f'100 * SUM(METRICS("{HITS.lower()}")) / SUM(METRICS("{ACCESSES.lower()}"))'
    hidden = [*lines(HITS, visible=False), *lines(ACCESSES, visible=False)]
    shown = [{"expression": rate, "label": "served from the cache, in %", "id": "rate"}]
    yield {"title": "Cache hit rate", "metrics": [shown, *hidden], **place}
    yield {"title": "Accesses to secrets", "metrics": lines(ACCESSES), **place}


def _graph(watched: Watched, alarm: Alarm) -> dict[str, Any]:
    dimensions = [text for pair in alarm.metric.dimensions.items() for text in pair]
    return {
        "title": alarm.name,
        "region": watched.account.region,
        "metrics": [[alarm.metric.namespace, alarm.metric.name, *dimensions]],
        "stat": alarm.statistic,
        "period": alarm.period,
        "annotations": {"horizontal": [{"label": "threshold", "value": alarm.threshold}]},
    }
