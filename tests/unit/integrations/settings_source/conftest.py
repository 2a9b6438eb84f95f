"""Fixture of settings that begin with one secret."""

from __future__ import annotations

import pytest

from tests.support.models.sourced_settings import CANARY, REQUESTS, SECRETS


@pytest.fixture(autouse=True)
def one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    SECRETS.clear()
    REQUESTS.clear()
    SECRETS["jwt-secret"] = f"{CANARY} and more"
    for name in ("JWT_SECRET", "MAIL", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)
