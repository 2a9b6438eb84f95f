"""Files of the target compose: complete, confined, and quoted for compose."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from agent.quoting import quote_compose
from agent.targets.compose import AGENT, READERS, build
from agent.targets.host import Host
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from tests.support.models.target import tracking_settings

AGENT_SERVICE: Final = "strongroom-tracking-agent"
MEMORY_SERVICE: Final = "strongroom-tracking-memory"
COMMAND: Final = ("gunicorn", "app:server")
HOST: Final = Host(command=COMMAND, cacert=Path("/etc/vault-ca.pem"))
LOGINS: Final[dict[str, dict[str, Any]]] = {
    "approle": {},
    "jwt": {"login": "jwt", "token_file": "/run/strongroom/jwt"},
    "kubernetes": {"login": "kubernetes", "token_file": "/var/run/token"},
    "cert": {"login": "cert", "certificate_file": "/etc/ssl/a.pem", "key_file": "/etc/ssl/a.key"},
}
HOSTILE: Final = (
    *("$HOME ${X:-y} $$", 'a"b\\c', "- x: y # z", "yes", "", "'", "null", "{{ x }}", "é → 😀"),
)


def parse(files: dict[str, str]) -> Any:
    return yaml.safe_load(files["compose.yaml"])


def targets(service: dict[str, Any]) -> dict[str, str]:
    """Return what is mounted in a service, by its path there."""
    mounted = [*service["volumes"], *service.get("secrets", ())]
    return {each["target"]: each["source"] for each in mounted}


@pytest.mark.parametrize("login", LOGINS)
def test_files_that_the_agent_reads_are_mounted(login: str) -> None:
    files = build(tracking_settings(**LOGINS[login]), HOST)
    document = parse(files)
    agent = document["services"][AGENT_SERVICE]
    mounted = targets(agent)
    folder = next(path for path, source in mounted.items() if "AGENT_FILES" in source)
    assert agent["entrypoint"][-1] == f"-config={folder}/agent.hcl"
    used = set(re.findall(r'"(/[^"]+)"', files["agent.hcl"]))
    inside = {f"{folder}/{name}" for name in files}
    volume = next(each["target"] for each in agent["volumes"] if each["type"] == "volume")
    assert used - set(mounted) == {
        f"{folder}/templates/app.yaml.ctmpl",
        f"{volume}/app.yaml",
    }
    assert used & inside == {f"{folder}/templates/app.yaml.ctmpl"}
    assert {each["target"] for each in agent["secrets"]} <= used
    assert {each["source"] for each in agent["secrets"]} == set(document["secrets"])


def test_application_reads_what_the_agent_renders() -> None:
    files = build(tracking_settings(), HOST)
    document = parse(files)
    agent, application = document["services"][AGENT_SERVICE], document["services"]["tracking"]
    start, live = application["entrypoint"], application["environment"]["STRONGROOM_CONFIG"]
    staging = start[start.index("--watch") + 1]
    assert f'destination          = "{staging}"' in files["agent.hcl"]
    assert 'perms                = "0640"' in files["agent.hcl"]
    shared = targets(application)[str(Path(staging).parent)]
    assert targets(agent)[str(Path(staging).parent)] == shared
    private = targets(application)[str(Path(live).parents[1])]
    assert set(document["volumes"]) == {shared, private}
    assert "mode=1777," in document["volumes"][private]["driver_opts"]["o"]


def test_third_container_keeps_both_volumes() -> None:
    files = build(tracking_settings(), HOST)
    document = parse(files)
    memory = document["services"][MEMORY_SERVICE]
    mounted = targets(memory)
    assert set(document["volumes"]) < set(mounted.values())
    assert all(each["read_only"] for each in memory["volumes"])
    folder = next(path for path, source in mounted.items() if "AGENT_FILES" in source)
    assert memory["entrypoint"][-1] == f"-config={folder}/memory.hcl"
    assert "memory.hcl" in files
    assert (memory["network_mode"], "secrets" in memory) == ("none", False)


def test_readers_are_a_group_of_the_application_and_of_the_folder() -> None:
    document = parse(build(tracking_settings(), HOST))
    application = document["services"]["tracking"]
    assert application["group_add"] == [str(READERS)]
    assert application["environment"]["STRONGROOM_READER_GROUP"] == str(READERS)
    assert application["environment"].items() >= tracking_settings().variables.items()
    options = document["volumes"]["strongroom-tracking-staging"]["driver_opts"]["o"].split(",")
    assert {f"uid={AGENT}", f"gid={READERS}", "mode=2750"} <= set(options)
    assert document["services"][AGENT_SERVICE]["user"] == f"{AGENT}:{READERS}"
    assert "user" not in application


@pytest.mark.parametrize(
    ("name", "paths"), [(AGENT_SERVICE, ["/run/strongroom-config"]), (MEMORY_SERVICE, [])]
)
def test_agent_is_confined_and_restarted(name: str, paths: list[str]) -> None:
    agent = parse(build(tracking_settings(), HOST))["services"][name]
    assert agent["read_only"] is True
    assert agent["cap_drop"] == ["ALL"]
    assert agent["security_opt"] == ["no-new-privileges:true"]
    assert agent["restart"] == "always"
    assert agent["ulimits"] == {"core": 0}
    writable = [each["target"] for each in agent["volumes"] if not each.get("read_only")]
    assert writable == paths


@pytest.mark.parametrize(
    ("login", "names"),
    [
        ("approle", {"ROLE_ID_FILE", "SECRET_ID_FILE"}),
        ("jwt", {"TOKEN_FILE"}),
        ("kubernetes", {"TOKEN_FILE"}),
        ("cert", {"CERTIFICATE_FILE", "KEY_FILE"}),
    ],
)
def test_each_path_of_the_host_is_a_variable_that_must_be_set(login: str, names: set[str]) -> None:
    plain = Host(command=COMMAND)
    document = parse(build(tracking_settings(**LOGINS[login]), plain))
    sources = [each["file"] for each in document["secrets"].values()]
    sources += [
        each["source"]
        for service in document["services"].values()
        for each in service["volumes"]
        if each["type"] == "bind"
    ]
    found = {re.fullmatch(r"\$\{TRACKING_AGENT_(\w+):\?[a-z A-Z-]+\}", each) for each in sources}
    assert {match and match[1] for match in found} == names | {"FILES"}


def test_working_directory_of_the_image_is_kept() -> None:
    assert "working_dir" not in parse(build(tracking_settings(), Host(None, COMMAND)))["services"]


def test_hostile_words_reach_the_application_unchanged() -> None:
    document = parse(
        build(tracking_settings(), Host(Path("/srv/$x: #"), HOSTILE, Path("/etc/$ca: ,.pem")))
    )
    application = document["services"]["tracking"]
    assert [word.replace("$$", "$") for word in application["command"]] == list(HOSTILE)
    assert "/etc/$$ca: ,.pem" in targets(document["services"][AGENT_SERVICE])


@pytest.mark.parametrize("name", ["null", "yes", "on", "n", "x-y"])
def test_service_whose_name_means_something_in_yaml_keeps_it(name: str) -> None:
    scope = Scope(name, Environment("staging"))
    document = parse(build(replace(tracking_settings(), scope=scope), HOST))
    own = [f"strongroom-{name}-agent", f"strongroom-{name}-memory"]
    assert list(document["services"]) == [*own, name]


@pytest.mark.parametrize("text", ["a\nb", "\x00", "\x7f", "\x85", "\u2028", "\ud800", "\ufeff"])
def test_control_character_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="contains a control character; remove it"):
        quote_compose(text)


def test_access_records_are_encrypted_in_a_folder_of_the_host() -> None:
    service = parse(build(replace(tracking_settings(), audit_key="audit"), HOST))["services"]
    application = service["tracking"]
    folder = Path(application["environment"]["STRONGROOM_AUDIT_FILE"]).parent
    assert "TRACKING_AGENT_RECORDS:?" in targets(application)[str(folder)]
