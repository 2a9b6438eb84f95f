"""World of processes that encrypt."""

from __future__ import annotations

import pytest

from tests.support.models.cipher_parts import World


@pytest.fixture
def world() -> World:
    return World()
