"""File that is built for compose, as compose reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from agent.targets.compose import build
from agent.targets.host import Host
from local.docker.engine import NoEngine, require_engine
from tests.support.models.target import tracking_settings

ROOT: Final = Path(__file__).parents[2]

pytestmark = pytest.mark.requires("docker")


@pytest.fixture(autouse=True)
def _compose() -> None:
    try:
        require_engine()
    except NoEngine as none:
        pytest.skip(str(none))


def read_by_compose(folder: Path, host: Host, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return what compose makes of the files that are built for *host*, as JSON."""
    for name, text in build(tracking_settings(), host).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "own.yaml").write_text("services: {tracking: {image: tracking}}")
    both = ("--file", "own.yaml", "--file", "compose.yaml")
    return subprocess.run(
        ["docker", "compose", *both, "config", "--format", "json"],  # noqa: S607
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_hostile_words_are_read_by_compose_as_they_are(tmp_path: Path) -> None:
    words = ("$HOME ${X:-y} $$", 'a"b\\c', "- x: y # z", "yes", "", "'", "{{ x }}", "é → 😀")
    names = ("FILES", "ROLE_ID_FILE", "SECRET_ID_FILE", "CA_FILE")
    variables = {f"TRACKING_AGENT_{name}": f"/host/{name}" for name in names}
    host = Host(Path("/srv/$x: #"), words, Path("/etc/$ca: ,.pem"))
    done = read_by_compose(tmp_path, host, **variables)
    assert done.returncode == 0, done.stderr
    # Compose writes each $ as $$ again, because its output is a compose file.
    services = json.loads(done.stdout.replace("$$", "$"))["services"]
    assert services["tracking"]["command"] == list(words)
    assert services["tracking"]["working_dir"] == "/srv/$x: #"
    mounted = [each["target"] for each in services["strongroom-tracking-agent"]["secrets"]]
    assert "/etc/$ca: ,.pem" in mounted


def test_compose_names_the_variable_that_is_not_set(tmp_path: Path) -> None:
    done = read_by_compose(tmp_path, Host(command=("run",)), TRACKING_AGENT_FILES="/host")
    assert done.returncode != 0
    assert re.search(r"TRACKING_AGENT_(ROLE|SECRET)_ID_FILE is missing a value", done.stderr)


def test_page_has_a_service_without_a_config_file(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "Compose.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n(x-tracking.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "compose.yaml").write_text(text)
    done = subprocess.run(
        ["docker", "compose", "config", "--format", "json"],  # noqa: S607
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert sorted(services) == ["migrate", "tracking", "worker"]
    for each in services.values():
        targets = {f"/run/secrets/{secret['source']}" for secret in each["secrets"]}
        variables = {"VAULT_CACERT", "STRONGROOM_ROLE_ID_FILE", "STRONGROOM_SECRET_ID_FILE"}
        assert {each["environment"][name] for name in variables} == targets
