from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from local import port_file
from local.layout import Layout
from local.port_file import RunsOnOtherPort, choose
from local.ports import Ports

ROOT = Path("/srv/shop/.strongroom")
STORED = Ports(vault=28200).by_name()
ALL = tuple(STORED)


def test_ports_without_a_file_are_none(tmp_path: Path) -> None:
    assert port_file.read(Layout(tmp_path)) is None


def test_written_ports_are_read_again_and_private(tmp_path: Path) -> None:
    layout, ports = Layout(tmp_path), Ports(1001, 1002, 1003, 1004, 1005, 1006)
    port_file.write(layout, Ports())
    port_file.write(layout, ports)
    assert port_file.read(layout) == ports
    assert stat.S_IMODE(layout.ports.stat().st_mode) == 0o600


def test_file_at_defaults_has_no_name_that_an_earlier_version_does_not_know(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    port_file.write(layout, Ports(vault=28200))
    first = ["vault", "vault_cluster", "database", "redis", "smtp", "store"]
    assert list(json.loads(layout.ports.read_text())) == first
    port_file.write(layout, Ports(aws=25000))
    assert json.loads(layout.ports.read_text())["aws"] == 25000


def test_file_without_a_newer_port_has_its_default(tmp_path: Path) -> None:
    Layout(tmp_path).ports.write_text('{"vault": 28200}')
    assert port_file.read(Layout(tmp_path)) == Ports(vault=28200)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"vault": "8200"}',
        '{"vault": true}',
        '{"vault": 0}',
        '{"vault": 65536}',
        '{"unknown": 8200}',
        '{"vault": 8080, "store": 8080}',
    ],
)
def test_damaged_file_is_named_with_its_remedy(tmp_path: Path, text: str) -> None:
    layout = Layout(tmp_path)
    layout.ports.write_text(text)
    with pytest.raises(ConfigurationError, match=r"ports\.json is damaged; remove it"):
        port_file.read(layout)


def test_stored_ports_are_used_without_variables() -> None:
    assert choose(ROOT, STORED, {}, {}, ALL) == Ports(vault=28200)


def test_variable_moves_a_part_that_is_not_running() -> None:
    assert choose(ROOT, STORED, {"redis": 1}, {"vault": 28200}, ALL) == Ports(vault=28200, redis=1)


def test_variable_of_a_part_that_the_command_may_not_move_is_ignored() -> None:
    assert choose(ROOT, STORED, {"redis": 1}, {"vault": 28200}, ()) == Ports(vault=28200)


def test_variable_with_the_port_of_a_running_part_is_accepted() -> None:
    assert choose(ROOT, STORED, {"vault": 28200}, {"vault": 28200}, ()) == Ports(vault=28200)


@pytest.mark.parametrize("movable", [(), ALL])
def test_variable_with_another_port_than_the_running_one_is_rejected(
    movable: tuple[str, ...],
) -> None:
    with pytest.raises(RunsOnOtherPort) as caught:
        choose(ROOT, STORED, {"vault": 8200}, {"vault": 28200}, movable)
    assert str(caught.value) == (
        "STRONGROOM_VAULT_PORT is 8200, but the deployment in /srv/shop/.strongroom is running on "
        "port 28200; unset STRONGROOM_VAULT_PORT to use that deployment, run strongroom down "
        "before strongroom up to move it, or start another one with strongroom up --root FOLDER"
    )


def test_move_onto_the_port_of_another_part_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="are both 8080"):
        choose(ROOT, STORED, {"redis": 8080}, {}, ALL)
