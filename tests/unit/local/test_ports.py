from __future__ import annotations

import pytest

from app_integration.errors import ConfigurationError
from local.ports import Ports, from_environment


def test_ports_without_variables_are_the_defaults() -> None:
    assert from_environment({}) == Ports(8200, 8201, 15432, 16379, 11025, 8080)


def test_ports_are_set_by_variables() -> None:
    variables = {
        "STRONGROOM_VAULT_PORT": "1001",
        "STRONGROOM_VAULT_CLUSTER_PORT": "1002",
        "STRONGROOM_DATABASE_PORT": "1003",
        "STRONGROOM_REDIS_PORT": "1004",
        "STRONGROOM_SMTP_PORT": "1005",
        "STRONGROOM_STORE_PORT": "1006",
    }
    assert from_environment(variables) == Ports(1001, 1002, 1003, 1004, 1005, 1006)


@pytest.mark.parametrize("value", ["0", "65536", "-1", "80 ", "eighty", "٨٠", "8_0"])
def test_invalid_port_is_rejected_with_variable_and_value(value: str) -> None:
    with pytest.raises(ConfigurationError, match="STRONGROOM_SMTP_PORT is") as caught:
        from_environment({"STRONGROOM_SMTP_PORT": value})
    assert repr(value) in str(caught.value)


def test_same_port_in_two_settings_is_rejected() -> None:
    with pytest.raises(
        ConfigurationError, match="STRONGROOM_REDIS_PORT and STRONGROOM_STORE_PORT are both 8080"
    ):
        from_environment({"STRONGROOM_REDIS_PORT": "8080"})
