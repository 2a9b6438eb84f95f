"""Rotations of a signing key under load, more than ``make test`` has time for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.processes.signing_peers import (
    known_keys,
    rotate_under_load,
    without_announcement,
)
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(3600)]

PROCESSES, ROTATIONS, SCALE = 8, 20, 500


def test_twenty_rotations_of_an_announced_key_reject_no_token(
    deployment: Deployment, record_property: Callable[[str, object], None]
) -> None:
    tallies = rotate_under_load(
        deployment,
        deployment.local.declaration,
        processes=PROCESSES,
        rotations=ROTATIONS,
        scale=SCALE,
    )
    verified, failed = (
        sum(getattr(each, key) for each in tallies) for key in ("verified", "failed")
    )
    print(f"{failed} failed of {verified + failed}, keys: {[each.keys for each in tallies]}")  # noqa: T201
    record_property("verified", verified)
    assert failed == 0
    assert verified >= 100_000
    assert [each.keys for each in tallies] == [ROTATIONS + 1] * PROCESSES


def test_key_that_is_not_announced_rejects_valid_tokens(deployment: Deployment) -> None:
    """Show that the load finds the gap, which was there before keys were announced."""
    tallies = rotate_under_load(
        deployment,
        without_announcement(deployment.local.declaration),
        processes=3,
        rotations=2,
        scale=2000,
        find_keys=known_keys,
    )
    failed = sum(each.failed for each in tallies)
    print(f"{failed} failed of {sum(each.verified for each in tallies) + failed}")  # noqa: T201
    assert failed > 0
