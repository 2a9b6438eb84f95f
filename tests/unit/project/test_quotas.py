"""Project's own rate limit quotas, which must not slow down a plan."""

from __future__ import annotations

import pytest

from app_integration.names import Environment
from vault.declare.load import load


@pytest.mark.parametrize("environment", sorted(load().environments))
def test_quotas_apply_to_logins_only(environment: Environment) -> None:
    """Check that no quota is on a whole mount, because a plan reads a hundred roles in a second."""
    paths = [quota.path for quota in load().environment(environment).quotas.values()]
    assert [path for path in paths if not path.endswith("/login")] == []
