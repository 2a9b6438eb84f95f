"""Metrics of deliveries in the application that reads the delivered file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app_integration.config.deliver import write_status
from app_integration.config.delivery_status import State, status_file
from app_integration.config.loader import DeliveryMetrics
from app_integration.observability import metrics
from app_integration.observability.recorder import Recorder

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Deliveries(Recorder):
    """A recorder of what was recorded, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float, bool]] = []

    def record_delivery(self, file: str, delivered: float, *, is_live: bool) -> None:
        self.calls.append((file, delivered, is_live))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Deliveries:
    """Set and return the recorder of the process."""
    recorder = Deliveries()
    monkeypatch.setattr(metrics.state, "recorder", recorder)
    return recorder


def test_status_that_changes_is_recorded_once(recorder: Deliveries, tmp_path: Path) -> None:
    live = tmp_path / "app.yaml"
    deliveries = DeliveryMetrics(live)
    deliveries.record()
    write_status(live, State.DELIVERED, None, NOW, None)
    for _ in range(2):
        deliveries.record()
    write_status(live, State.REFUSED, "a field", NOW.replace(minute=1), None)
    deliveries.record()
    at = NOW.timestamp()
    assert recorder.calls == [("app.yaml", at, True), ("app.yaml", at + 60, False)]


def test_new_recorder_gets_the_status_again(
    recorder: Deliveries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = tmp_path / "app.yaml"
    write_status(live, State.WAITING, "a full disk", NOW, None)
    deliveries = DeliveryMetrics(live)
    deliveries.record()
    later = Deliveries()
    monkeypatch.setattr(metrics.state, "recorder", later)
    deliveries.record()
    assert later.calls == recorder.calls == [("app.yaml", NOW.timestamp(), False)]


@pytest.mark.parametrize("when", ["yesterday", 7])
def test_status_with_an_invalid_time_records_nothing(
    recorder: Deliveries, tmp_path: Path, when: object
) -> None:
    live = tmp_path / "app.yaml"
    written = write_status(live, State.DELIVERED, None, NOW, None)
    text = status_file(live).read_text().replace(f'"{written.when}"', repr(when).replace("'", '"'))
    status_file(live).write_text(text)
    DeliveryMetrics(live).record()
    assert recorder.calls == []
