"""Rotations of a signing key while processes verify each other's tokens, each with its cache."""

from __future__ import annotations

import pytest

from tests.support.processes.signing_peers import rotate_under_load
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

PROCESSES, ROTATIONS = 3, 2


def test_rotations_of_an_announced_key_reject_no_token(deployment: Deployment) -> None:
    tallies = rotate_under_load(
        deployment,
        deployment.local.declaration,
        processes=PROCESSES,
        rotations=ROTATIONS,
        scale=2000,
    )
    assert [each.failed for each in tallies] == [0] * PROCESSES
    assert [each.keys for each in tallies] == [ROTATIONS + 1] * PROCESSES
    assert sum(each.verified for each in tallies) > 1000
