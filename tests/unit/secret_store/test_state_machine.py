"""Comparison of the store with a plain dict, over random sequences of events."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.models.store_model import StoreMachine

SEQUENCES: Final = 100
STEPS: Final = 50


def test_store_serves_only_allowed_values_in_every_sequence_of_events() -> None:
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
        ),
    )
