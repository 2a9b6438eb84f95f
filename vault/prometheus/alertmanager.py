"""Alerts of an Alertmanager, with what silences them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from app_integration._internal.server_urls import is_local
from app_integration.errors import ConfigurationError
from vault.prometheus.http_api import check_url, get_json

#: Seconds for each of the two requests. A person waits for the alerts.
DEADLINE: Final = 5.0
#: Most characters of a text. Labels and annotations may have any.
MAX_TEXT: Final = 1000


class AlertState(StrEnum):
    """State of an alert: sent to a receiver, or the reason why not."""

    FIRING = "firing"
    SILENCED = "silenced"
    INHIBITED = "inhibited"


@dataclass(frozen=True, slots=True)
class Silence:
    """A person's decision that an alert is not sent."""

    reason: str
    author: str
    ends: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that was not resolved."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since: datetime
    state: AlertState
    silences: tuple[Silence, ...] = ()
    causes: tuple[str, ...] = ()


def check_alertmanager_url(url: str) -> str:
    """Return *url* without trailing slashes, if it is a plain address.

    Unlike :func:`check_url`, it also rejects ``http`` to another machine.
    """
    checked = check_url("--alertmanager", url)
    if not checked.startswith("https:") and not is_local(checked):
        raise ConfigurationError(
            f"--alertmanager is {url!r}; http is allowed to this machine only: use https, or "
            "forward its port to this machine"
        )
    return checked


def read_alerts(url: str, environment: str) -> tuple[Alert, ...]:
    """Return the alerts of an environment."""
    asked = {"filter": f'environment="{environment}"'}
    try:
        alerts = get_json(f"{url}/api/v2/alerts", asked, DEADLINE)
        # A second request, after which a silence of the first may be gone.
        silences = get_json(f"{url}/api/v2/silences", {}, DEADLINE) if alerts else []
        return parse_alerts(alerts, silences)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{url} cannot be read: {error}; check --alertmanager and that the server runs"
        ) from None


def parse_alerts(alerts: object, silences: object) -> tuple[Alert, ...]:
    """Return the alerts in two responses of Alertmanager's API."""
    try:
        by_id = {_text(each["id"]): _parse_silence(each) for each in _list(silences)}
        found = _list(alerts)
        names = {_text(each["fingerprint"]): _find_name(each) for each in found}
        return tuple(_parse_alert(each, by_id, names) for each in found)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise ConfigurationError("the response is not that of Alertmanager's API") from None


def _parse_alert(document: Any, silences: Mapping[str, Silence], names: Mapping[str, str]) -> Alert:
    status = document["status"]
    silenced, inhibited = (_list(status[key]) for key in ("silencedBy", "inhibitedBy"))
    state = AlertState.INHIBITED if inhibited else AlertState.FIRING
    return Alert(
        _texts(document["labels"]),
        _texts(document["annotations"]),
        _time(document["startsAt"]),
        AlertState.SILENCED if silenced else state,
        tuple(silences[each] for each in silenced if each in silences),
        tuple(sorted({names[each] for each in inhibited if each in names})),
    )


def _parse_silence(document: Any) -> Silence:
    return Silence(
        _text(document["comment"]), _text(document["createdBy"]), _time(document["endsAt"])
    )


def _find_name(document: Any) -> str:
    return _texts(document["labels"]).get("alertname", "an alert without a name")


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _texts(value: Any) -> dict[str, str]:
    return {_text(name): _text(text) for name, text in value.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}\N{HORIZONTAL ELLIPSIS}"


def _time(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC)
