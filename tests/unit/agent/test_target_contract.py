"""What each target owes, with an agent or without one, read from the files that it builds.

A further target has an entry in ``TARGETS``: how its application and its agent are started.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from agent.targets.host import Host
from agent.targets.sdk.settings import SdkSettings
from agent.targets.settings import TargetSettings
from agent.targets.targets import BUILDERS, SDK_BUILDERS
from app_integration.errors import ConfigurationError
from app_integration.rendering.skeleton import Skeleton
from tests.support.models import pods
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.models.target import tracking_settings
from vault.declare.schema.model import Deployment

CACERT: Final = Path("/etc/vault-ca/ca.pem")
HOSTILE: Final = (
    "run",
    "$HOME ${X:-y} $(z) $$",
    'a"b\\c',
    "- x: y # %i 100%",
    "",
    "'",
    "{{ x }}",
    "é",
)
HOST: Final = Host(Path("/srv/a b/%i $x"), HOSTILE, CACERT)
DECLARED: Final[dict[str, Any]] = {
    "reload": "SIGHUP",
    "health": "http://127.0.0.1:8000/health",
    "settle": "5s",
    "within": "1m",
}


@dataclass(frozen=True)
class Started:
    """A process as a target starts it, after its own quoting is undone."""

    command: list[str]
    variables: dict[str, str]
    folder: str


def of_systemd(files: dict[str, str], part: str) -> Started:
    units = [read_unit(text)["Service"] for text in files.values() if "\nExecStart=" in text]
    (unit,) = [each for each in units if part in each["ExecStart"][0]]
    lines = [word for line in unit.get("Environment", []) for word in read_words(line)]
    variables = dict(line.partition("=")[::2] for line in lines)
    folder = unit.get("WorkingDirectory", [""])[0].replace("%%", "%")
    return Started(read_words(unit["ExecStart"][0]), variables, folder)


def of_compose(files: dict[str, str], part: str) -> Started:
    document = yaml.safe_load(files["compose.yaml"])["services"]
    assert "$" not in "".join(document["tracking"]["command"]).replace("$$", "")
    services = yaml.safe_load(files["compose.yaml"].replace("$$", "$"))["services"].values()
    (found,) = [each for each in services if any(part in word for word in each["entrypoint"])]
    command = [*found["entrypoint"], *found.get("command", [])]
    return Started(command, found.get("environment", {}), found.get("working_dir", ""))


def of_kubernetes(files: dict[str, str], part: str) -> Started:
    pod = yaml.safe_load(files["deployment.yaml"])["spec"]["template"]["spec"]
    containers = [*pod["containers"], *pod.get("initContainers", [])]
    (found,) = [each for each in containers if any(part in word for word in each["command"])]
    words = [*found["command"], *found.get("args", [])]
    assert not [word for word in words if re.search(r"(?<!\$)(\$\$)*\$\(", word)]
    command = [word.replace("$$", "$") for word in words]
    variables = {each["name"]: each["value"] for each in found.get("env", [])}
    return Started(command, variables, found.get("workingDir", ""))


#: Target → how a process of it is read, its login, and whether its delivery needs a command.
TARGETS: Final[dict[str, tuple[Callable[[dict[str, str], str], Started], dict[str, str], bool]]] = {
    "systemd": (of_systemd, {}, False),
    "compose": (of_compose, {}, True),
    "kubernetes": (
        of_kubernetes,
        {"login": "kubernetes", "token_file": pods.TOKEN_FILE},
        True,
    ),
}


@dataclass(frozen=True)
class Target:
    """A target, with an agent or without one."""

    name: str
    has_agent: bool

    def settings(self, **changes: Any) -> TargetSettings:
        declared = {**DECLARED, **TARGETS[self.name][1], **changes}
        login = Deployment.model_validate_json(
            json.dumps({"login": {"kubernetes": pods.KUBERNETES}})
        )
        settings = tracking_settings(**declared)
        return replace(settings, deployment=login) if "token_file" in declared else settings

    def build(self, settings: TargetSettings, host: Host = HOST) -> dict[str, str]:
        if self.has_agent:
            return BUILDERS[self.name](settings, host)
        skeleton = Skeleton(settings.scope, "a.j2", settings.config.file, ("",))
        own = SdkSettings(settings.scope, settings.config, skeleton, settings.application)
        return SDK_BUILDERS[self.name](own, host)

    def application(self, files: dict[str, str]) -> Started:
        return TARGETS[self.name][0](files, "app_integration")

    def agent(self, files: dict[str, str]) -> list[str]:
        return TARGETS[self.name][0](files, "agent.hcl").command


@pytest.fixture(params=TARGETS)
def agent_target(request: pytest.FixtureRequest) -> Target:
    return Target(request.param, has_agent=True)


@pytest.fixture(params=[True, False], ids=["agent", "sdk"])
def target(request: pytest.FixtureRequest, agent_target: Target) -> Target:
    return replace(agent_target, has_agent=request.param)


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_each_target_is_asked() -> None:
    assert TARGETS.keys() == BUILDERS.keys() == SDK_BUILDERS.keys()


def test_application_is_started_by_its_delivery_with_the_command_unchanged(target: Target) -> None:
    started = target.application(target.build(target.settings()))
    words = started.command
    python = "python3" if TARGETS[target.name][2] else f"{HOST.folder}/.venv/bin/python"
    assert words[:5] == [python, "-m", "app_integration", "deliver", "--watch"]
    assert ("--from-sdk" in words) is not target.has_agent
    live = option(words, "--live")
    assert words[words.index("--live") :] == [
        *("--live", live, "--model", "models:Config", "--reload", "SIGHUP"),
        *("--health", DECLARED["health"], "--settle", "5", "--within", "60", "--", *HOSTILE),
    ]
    assert Path(live).parent != Path(option(words, "--watch")).parent
    assert started.folder == str(HOST.folder)
    expected = {
        "STRONGROOM_CONFIG": live,
        "STRONGROOM_SERVICE": "tracking",
        "ENVIRONMENT": "staging",
    }
    assert started.variables.items() >= expected.items()


def test_absolute_interpreter_is_used_as_declared(target: Target) -> None:
    files = target.build(target.settings(python="/opt/venv/bin/python"))
    assert target.application(files).command[0] == "/opt/venv/bin/python"


def test_agent_only_renders_what_the_application_watches(agent_target: Target) -> None:
    files = agent_target.build(agent_target.settings())
    config, application = files["agent.hcl"], agent_target.application(files)
    assert "exec" not in config.replace("exec_", "")
    assert f'destination          = "{option(application.command, "--watch")}"' in config
    assert re.search(r'perms +=\s"06[04]0"', config)
    assert re.search(r'ca_cert = "[^"]*ca\.pem"', config)
    program, *start = agent_target.agent(files)
    assert program.strip("}").endswith("bao")
    assert start[0] == "agent"
    assert re.fullmatch(r"-config=/.*/agent\.hcl", start[1])


def test_agent_of_several_servers_chooses_one_at_each_start(agent_target: Target) -> None:
    settings = replace(agent_target.settings(), addresses=("https://v1:1", "https://v2:2"))
    files = agent_target.build(settings)
    words = agent_target.agent(files)
    assert words[:2] == ["/bin/sh", "-c"]
    assert "$0" in words[2]
    assert re.fullmatch(r"/.*/agent\.hcl", words[4])
    assert words[5].endswith("ca.pem")
    assert words[-2:] == ["https://v1:1", "https://v2:2"]
    variables = agent_target.application(files).variables
    assert variables["STRONGROOM_VAULT_ADDRS"] == "https://v2:2"


def test_access_records_are_encrypted_if_there_is_a_key(agent_target: Target) -> None:
    settings = agent_target.settings()
    files = agent_target.build(replace(settings, audit_key="audit"))
    variables = agent_target.application(files).variables
    assert variables["STRONGROOM_AUDIT_KEY"] == "audit"
    assert Path(variables["STRONGROOM_AUDIT_FILE"]).is_absolute()
    assert all("AUDIT" not in text for text in agent_target.build(settings).values())


def test_word_that_no_file_can_hold_is_refused(target: Target) -> None:
    with pytest.raises(ConfigurationError, match=r"control character|is not Unicode"):
        target.build(target.settings(), replace(HOST, command=("a\udc80",)))


def test_container_without_a_command_is_refused(target: Target) -> None:
    settings, host = target.settings(reload="none"), Host()
    if not TARGETS[target.name][2]:
        assert target.application(target.build(settings, host)).command[-1] == "60"
        return
    with pytest.raises(ConfigurationError, match="give the application's command after --"):
        target.build(settings, host)
