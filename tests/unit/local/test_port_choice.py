from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console.target.target import open_target
from local import port_file
from local.layout import DEPLOYMENT, Layout
from local.port_choice import ALL, choose_ports, remembered_ports
from local.ports import Ports

MOVED = {"STRONGROOM_VAULT_PORT": "28200"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / DEPLOYMENT.mark).touch()
    return Layout(tmp_path)


def test_deployment_that_was_never_started_has_the_ports_of_the_variables(layout: Layout) -> None:
    assert choose_ports(layout, MOVED) == Ports(vault=28200)
    assert choose_ports(layout, {}) == Ports()


def test_started_deployment_keeps_its_ports(layout: Layout) -> None:
    port_file.write(layout, Ports(vault=18200))
    assert choose_ports(layout, {}) == Ports(vault=18200)
    assert choose_ports(layout, MOVED) == Ports(vault=18200)


def test_start_moves_a_stopped_deployment(layout: Layout) -> None:
    port_file.write(layout, Ports(vault=18200, redis=1))
    assert choose_ports(layout, MOVED, ALL) == Ports(vault=28200, redis=1)


def test_wrong_variable_is_an_error_except_to_stop(layout: Layout) -> None:
    port_file.write(layout, Ports(vault=18200))
    with pytest.raises(ConfigurationError, match="STRONGROOM_VAULT_PORT is 'x'"):
        choose_ports(layout, {"STRONGROOM_VAULT_PORT": "x"})
    assert remembered_ports(layout) == Ports(vault=18200)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (None, True),
        ("", True),
        ("http://127.0.0.1:18200", True),
        ("http://127.0.0.1:18200/", True),
        ("http://127.0.0.1:8200", False),
        ("https://127.0.0.1:18200", False),
        ("https://vault.example.com", False),
    ],
)
def test_vault_addr_selects_the_local_deployment_by_its_stored_port(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, address: str | None, expected: bool
) -> None:
    port_file.write(layout, Ports(vault=18200))
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    if address is not None:
        monkeypatch.setenv("VAULT_ADDR", address)
    assert open_target(Environment.DEV, layout.root).is_local is expected
    assert open_target(Environment.PROD, layout.root).is_local is False
