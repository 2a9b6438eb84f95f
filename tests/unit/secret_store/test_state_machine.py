"""The store against a dict, in sequences that nobody thought of."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.models.store_model import StoreMachine

SEQUENCES: Final = 200
STEPS: Final = 50


def test_no_sequence_of_events_makes_the_store_serve_what_it_must_not() -> None:
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
