"""The project's own quotas: what they must leave alone."""

from __future__ import annotations

import pytest

from app_integration.names import Environment
from vault.declare.load import load


@pytest.mark.parametrize("environment", Environment)
def test_a_quota_on_logins_slows_no_plan(environment: Environment) -> None:
    """One on the whole mount counts each role that a plan reads, a hundred in a second."""
    paths = [quota.path for quota in load().environment(environment).quotas.values()]
    assert [path for path in paths if not path.endswith("/login")] == []
