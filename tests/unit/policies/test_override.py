"""Own template of a policy, as the commands make it, compare it and accept a new base."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from policies import override, templates
from tests.support.processes.command import run_command
from vault.declare import load
from vault.declare.policy_files import read_templates

OLD = "# base: sha256:" + "0" * 64


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "policies"


def test_new_template_is_a_copy_with_the_digest_of_its_base(folder: Path) -> None:
    path = override.create(folder, "developer")
    first, _, rest = path.read_text().partition("\n")
    assert first == f"# base: {templates.base_digest('developer')}"
    assert rest == templates.base("developer")
    assert [*read_templates(folder)[0]] == ["developer"]
    assert override.diff(folder, "developer") == ""
    assert path.stat().st_mode & 0o777 == 0o644


def test_existing_file_is_never_overwritten(folder: Path) -> None:
    folder.mkdir()
    path = folder / "service.hcl.j2"
    path.write_text("ours")
    with pytest.raises(ConfigurationError, match=r"policies/service\.hcl\.j2 exists; edit it"):
        override.create(folder, "service")
    assert path.read_text() == "ours"
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(ConfigurationError, match="exists"):
        override.create(folder, "service")
    assert path.is_symlink()


@pytest.mark.parametrize("first", [f"{OLD}\n", "# base: wrong\n", ""])
def test_accepted_base_changes_the_first_line_alone(folder: Path, first: str) -> None:
    folder.mkdir()
    path = folder / "service.hcl.j2"
    path.write_text(f"{first}# Ours\n")
    path.chmod(0o600)
    assert override.accept(folder, "service") == path
    assert path.read_text() == f"# base: {templates.base_digest('service')}\n# Ours\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(templates.find_outdated(read_templates(folder)[0])) == []


def test_diff_shows_what_the_file_adds_and_lacks(folder: Path) -> None:
    path = override.create(folder, "starter")
    text = path.read_text().replace(templates.base_digest("starter"), OLD[8:])
    path.write_text(text.replace('capabilities        = ["update"]', 'capabilities = ["read"]'))
    found = override.diff(folder, "starter").splitlines()
    assert found[:2] == ["--- strongroom/starter.hcl.j2", "+++ policies/starter.hcl.j2"]
    assert {line for line in found[2:] if line[0] in "+-"} == {
        f"-# base: {templates.base_digest('starter')}",
        f"+{OLD}",
        '-  capabilities        = ["update"]',
        '+  capabilities = ["read"]',
    }


@pytest.mark.parametrize("action", [override.create, override.accept, override.diff])
def test_unknown_name_is_refused(folder: Path, action: object) -> None:
    assert callable(action)
    with pytest.raises(ConfigurationError, match=r"no policy 'servce' .* did you mean 'service'"):
        action(folder, "servce")
    with pytest.raises(ConfigurationError, match="contains the tool's own templates; edit them"):
        action(load.PROJECT / "policies", "service")


@pytest.mark.parametrize("action", [override.accept, override.diff])
def test_template_that_was_not_replaced_names_the_command_for_it(
    folder: Path, action: object
) -> None:
    assert callable(action)
    folder.mkdir()
    with pytest.raises(ConfigurationError, match="run strongroom policies override starter"):
        action(folder, "starter")


def test_commands_make_compare_and_accept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "strongroom.yaml").write_text("format: 1\n")
    assert run_command(monkeypatch, "policies", "override", "service") == 0
    wrote = "wrote policies/service.hcl.j2; edit it, then: strongroom plan --env dev\n"
    assert capsys.readouterr().out == wrote
    file = folder / "service.hcl.j2"
    file.write_text(f"{OLD}\n{templates.base('service')}")
    assert run_command(monkeypatch, "policies", "diff", "service") == 0
    assert f"+{OLD}\n" in capsys.readouterr().out
    assert run_command(monkeypatch, "policies", "override", "service") == 1
    assert run_command(monkeypatch, "policies", "override", "service", "--accept") == 0
    capsys.readouterr()
    assert run_command(monkeypatch, "policies", "diff", "service") == 0
    assert capsys.readouterr().out == ""
