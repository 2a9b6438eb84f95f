"""Tests of the configuration file of a unit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.supervisor.run_settings import RunSettings
from agent.supervisor.unit_file import UnitFile
from app_integration.errors import ConfigurationError
from tests.support.processes.unit_files import CONFIG

#: Keys of a file that one of an earlier version does not have.
DEFAULTS = {"reload": "none", "health": None, "within": 30.0, "settle": 3.0}


def test_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**CONFIG, "vault_cacert": "/ca.pem"}))
    settings = UnitFile.read(path).parse()
    assert str(settings.starter.scope) == "gaara-store-dev"
    assert settings.starter.vault_cacert == Path("/ca.pem")
    assert settings.deliveries[0].to_json() == {**CONFIG["deliveries"][0], **DEFAULTS}


def test_agent_without_secret_id_has_no_starter(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    own = {"starter_role_id_file": None, "starter_secret_id_file": None}
    path.write_text(json.dumps({**CONFIG, **own}))
    settings = UnitFile.read(path).parse()
    assert settings.starter.role_id_file is None
    assert json.loads(settings.to_json()) == {
        **CONFIG,
        **own,
        "deliveries": [{**CONFIG["deliveries"][0], **DEFAULTS}],
        "vault_cacert": None,
        "approle_mount": "",
        "generation": "",
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"environment": "Qa"}, "environment 'Qa': use at most 20"),
        ({"service": "../x"}, "service name '../x'"),
        ({"wrap_ttl": "soon"}, "run.json: .*soon"),
        ({"program": 5}, "run.json: .*str"),
        ({"generation": 5}, "run.json: .*generation"),
        ({"deliveries": [{"template": "/a"}]}, "the key 'staging' is missing"),
        (
            {"deliveries": [{**CONFIG["deliveries"][0], "reload": "HUP"}]},
            "run.json: 'HUP' is no way to reload",
        ),
        (
            {"deliveries": [{**CONFIG["deliveries"][0], "health": "http://u:p@h/"}]},
            "run.json: the URL of the application contains credentials",
        ),
        ({"deliveries": [{**CONFIG["deliveries"][0], "health": 5}]}, "run.json: "),
        ({"deliveries": [{**CONFIG["deliveries"][0], "within": "soon"}]}, "run.json: .*soon"),
        ({"format": 2}, "run.json: the configuration has format 2, .* newer strongroom, and start"),
    ],
)
def test_invalid_configuration_is_rejected(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**CONFIG, **change}))
    with pytest.raises(ConfigurationError, match=reason):
        UnitFile.read(path).parse()


@pytest.mark.parametrize("key", sorted(CONFIG))
def test_every_key_is_required(tmp_path: Path, key: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({name: CONFIG[name] for name in CONFIG if name != key}))
    with pytest.raises(ConfigurationError, match=f"run.json: the key '{key}' is missing"):
        UnitFile.read(path).parse()


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"'])
def test_file_without_a_json_object_is_rejected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"run\.json: "):
        UnitFile.read(path).parse()


def test_generation_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**CONFIG, "generation": "g1"}))
    settings = UnitFile.read(path).parse()
    assert settings.generation == "g1"
    assert RunSettings.from_bytes(settings.to_json().encode(), path) == settings
