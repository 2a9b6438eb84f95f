"""Services that wrap an application's keys, as its settings name them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from app_integration.encryption.key_services import KeyServices
from app_integration.names import Environment, Scope
from app_integration.settings import Settings

SHOP = Scope("shop", Environment.PROD)
VAULT = Settings(SHOP, "https://vault.example.com")
KMS = Settings(
    SHOP, "", backend="aws", kms_keys=("arn:aws:kms:eu-central-1:111122223333:key/1234abcd",)
)


def open_key(settings: Settings) -> None:
    unused: Callable[..., dict[str, object]] = Mock(side_effect=AssertionError)
    KeyServices(settings, unused, unused).open("pii")


@pytest.mark.parametrize(("settings", "absent"), [(VAULT, "kms"), (KMS, "vault")])
def test_open_loads_no_service_that_is_not_configured(
    settings: Settings, absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = "app_integration.encryption.keys.services"
    for name in ("kms", "vault"):
        monkeypatch.delitem(sys.modules, f"{services}.{name}", raising=False)
    open_key(settings)
    loaded = {name for name in ("kms", "vault") if f"{services}.{name}" in sys.modules}
    assert loaded == {"kms", "vault"} - {absent}
