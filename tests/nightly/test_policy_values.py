"""Ten thousand values near the ones that a policy lists: the real server accepts none."""

from __future__ import annotations

import random

import pytest

from tests.support.models.policy_values import AllowedValue
from tests.support.servers.dev_server import dev_server

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(3600),
    pytest.mark.requires("embedded"),
]

NEAR_VALUES = 10_000


def test_no_value_is_accepted_that_was_not_listed() -> None:
    rng = random.Random()  # noqa: S311 (values of a test)
    with dev_server() as address:
        drawn, allowed, wrong = AllowedValue(address).count_accepted(rng, NEAR_VALUES)
    assert wrong == []
    assert drawn >= NEAR_VALUES
    assert allowed >= NEAR_VALUES / 60
