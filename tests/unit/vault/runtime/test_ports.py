from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from app_integration.errors import ConfigurationError
from vault.runtime.ports import HOST, Ports, PortTaken, check_free, from_environment


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


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


def test_taken_port_is_reported_with_setting_and_process(listener: int) -> None:
    with pytest.raises(PortTaken) as caught:
        check_free(replace(Ports(), database=listener), ["database"])
    assert caught.value.taken == {"STRONGROOM_DATABASE_PORT": listener}
    holder = f"process {os.getpid()} ({psutil.Process().name()})"
    assert str(caught.value) == (
        f"port {listener} is taken by {holder};"
        " stop it, or set STRONGROOM_DATABASE_PORT to a free port"
    )


def test_all_taken_ports_are_reported_at_once(listener: int) -> None:
    with socket.create_server((HOST, 0)) as server:
        ports = replace(Ports(), database=listener, redis=server.getsockname()[1])
        with pytest.raises(PortTaken) as caught:
            check_free(ports, ["database", "redis"])
    assert str(caught.value).count("is taken by process") == 2
    assert str(caught.value).endswith(
        "; stop them, or set STRONGROOM_DATABASE_PORT, STRONGROOM_REDIS_PORT to free ports"
    )


def test_taken_port_of_an_invisible_process_is_another_users(
    listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "net_connections", lambda _kind: [])
    with pytest.raises(PortTaken, match="taken by another user's process"):
        check_free(replace(Ports(), vault=listener), ["vault"])


def test_check_free_checks_the_named_ports_only(listener: int) -> None:
    ports = replace(Ports(), store=listener)
    with socket.create_server((HOST, 0)) as server:
        free = server.getsockname()[1]
    check_free(replace(ports, redis=free), ["redis"])
    with pytest.raises(PortTaken):
        check_free(ports, ["store"])
