"""Policies that a repository's own templates render, and what such a template cannot do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app_integration.names import Environment
from console.commands.every_day.declaration_check import check_repository
from console.commands.every_day.policy_check import find_policy_errors
from policies import templates
from policies.render import render_policies, scoped_apply_policy
from tests.support.processes.command import run_command
from vault.declare import load, policy_template
from vault.declare.errors import DeclarationError
from vault.declare.policy_files import BASES
from vault.declare.repository import Repository, read

BASE = Path(__file__).parents[2] / "faults" / "declare" / "base"
DEV = Environment.DEV
RULE = 'path "sys/health" {\n  capabilities = ["read"]\n}\n'
OLD = "sha256:" + "0" * 64


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return the repository of a service shop in dev and prod, which is the working folder."""
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "strongroom.yaml").write_text("format: 1\n")
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    return read(tmp_path)


def write(team: Repository, text: str, name: str = "service", digest: str | None = None) -> Path:
    """Write a template of the repository, with the digest of its base or another one."""
    path = team.policies / f"{name}.hcl.j2"
    path.write_text(f"# base: {digest or templates.base_digest(name)}\n{text}")
    return path


def error_of(team: Repository) -> str:
    """Return the one error of rendering the policies of dev."""
    with pytest.raises(DeclarationError) as raised:
        render_policies(team.load(), DEV)
    assert str(raised.value) in find_policy_errors(team.load())
    return str(raised.value)


def test_names_are_those_of_the_tools_templates() -> None:
    suffix = policy_template.SUFFIX
    found = {path.name.removesuffix(suffix) for path in BASES.glob(f"*{suffix}")}
    assert found == set(policy_template.NAMES)


def test_copy_of_each_template_renders_what_the_tools_does(team: Repository) -> None:
    prod = team.declaration / "environments" / "prod.yaml"
    prod.write_text(prod.read_text().replace("vault:\n", "vault:\n  apply_role: scoped\n", 1))
    before = team.load()
    assert before.policy_templates == {}
    for name in policy_template.NAMES:
        write(team, templates.base(name), name)
    after = team.load()
    assert sorted(after.policy_templates) == sorted(policy_template.NAMES)
    for environment in before.environments:
        assert render_policies(after, environment) == render_policies(before, environment)
    scoped = Environment.PROD
    assert scoped_apply_policy(after, scoped) == scoped_apply_policy(before, scoped)
    assert check_repository(team) == ((), ())


def test_own_template_replaces_the_policy_of_every_service_and_no_other(team: Repository) -> None:
    before = render_policies(team.load(), DEV)
    write(team, f"{templates.base('service')}# {{{{ service }}}}\n{RULE}")
    after = render_policies(team.load(), DEV)
    assert after == {**before, "shop-dev": f"{before['shop-dev']}# shop\n{RULE}"}
    write(team, f"{templates.base('starter')}{RULE}", "starter")
    starter = render_policies(team.load(), DEV)["shop-dev-starter"]
    assert starter == f"{before['shop-dev-starter']}{RULE}"


def test_templates_of_one_repository_are_not_those_of_another(team: Repository) -> None:
    write(team, f"{templates.base('service')}{RULE}")
    assert render_policies(team.load(), DEV)["shop-dev"].endswith(RULE)
    assert RULE not in "".join(render_policies(load.load(), DEV).values())


def test_clone_of_the_tool_has_its_templates_and_no_own_ones() -> None:
    assert read(load.PROJECT).load().policy_templates == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            '{% include "/etc/passwd" %}',
            "2: cannot be rendered: another template is used; write all of it here",
        ),
        (
            'a\n{% from "service.hcl.j2" import x %}',
            "3: cannot be rendered: another template is used; write all of it here",
        ),
        (
            "{{ lipsum.__globals__.os.popen('id').read() }}",
            (
                "2: cannot be rendered: access to attribute '__globals__' of 'function' object is "
                "unsafe."
            ),
        ),
        (
            "a\n\n{{ mounts.__class__.__init__ }}",
            "4: cannot be rendered: access to attribute '__init__' of 'StrictUndefined' object is",
        ),
        (
            "{% do secrets.append('x') %}",
            "2: cannot be rendered: Encountered unknown tag 'do'.",
        ),
        ("{{ 1 // 0 }}", "2: cannot be rendered: integer division or modulo by zero"),
        ("{{ 'a' + 1 }}", '2: cannot be rendered: can only concatenate str (not "int") to str'),
    ],
)
def test_template_that_reaches_for_more_is_refused(team: Repository, text: str, error: str) -> None:
    write(team, text)
    assert error_of(team).startswith(f"policies/service.hcl.j2:{error}")


def test_template_cannot_change_what_it_is_given(team: Repository) -> None:
    write(team, "{{ secrets.append('x') }}")
    found = error_of(team)
    assert found.startswith("policies/service.hcl.j2:2: cannot be rendered: ")
    assert "append" in found


def test_misspelt_variable_is_reported_with_the_known_ones(team: Repository) -> None:
    write(team, "a\n{{ servic }}")
    assert error_of(team) == (
        "policies/service.hcl.j2:3: cannot be rendered: 'servic' is undefined (expected "
        "audit_device, database_roles, environment, keys, mounts, secrets, service or static_roles)"
    )


def test_text_that_is_not_hcl_is_refused_before_a_server_sees_it(team: Repository) -> None:
    write(team, f"{RULE}path secret")
    assert error_of(team).startswith(
        "policies/service.hcl.j2:5: does not render to a policy: line 4 of it: "
    )


INVALID = {
    "a capability that no server knows": (
        "service",
        RULE.replace("read", "raed"),
        "3: does not render to a policy: line 2 of it: path 'sys/health': capabilities has the",
    ),
    "a line that a loop renders": (
        "strongroom-plan",
        '# a\n{% for name in services %}\npath "{{ name }}" { policy = "raed" }\n{% endfor %}',
        "4: does not render to a policy: line 2 of it: path 'shop'",
    ),
    "the form of JSON, whose mark would be a comment": (
        "developer",
        '{"path": {"a": {"capabilities": ["read"]}}}',
        "2: does not render to a policy: line 1 of it: unexpected character",
    ),
}


@pytest.mark.parametrize(("name", "text", "error"), INVALID.values(), ids=INVALID)
def test_policy_that_the_server_would_reject_is_refused(
    team: Repository, name: str, text: str, error: str
) -> None:
    write(team, text, name)
    assert error_of(team).startswith(f"policies/{name}.hcl.j2:{error}")


#: Template → part of it → what a team wrote in its place → what it does not grant any more.
WITHOUT = {
    "a secret": (
        *("service", "/data/{{ service }}", "/dta/{{ service }}"),
        "read on secret/data/shop/dev/mail-password",
    ),
    "a key": ("service", '["update"]', '["read"]', "update on transit/decrypt/shop-dev-pii"),
    "a database": ("service", "/creds/{{ role }}", "/creds/x", "read on database/creds/shop-dev"),
    "the renewal": ("service", "renew-self", "renew", "update on auth/token/renew-self"),
    "a secret-id": (
        *("starter", '["update"]', '["read"]'),
        "update on auth/approle/role/shop-dev/secret-id",
    ),
}


@pytest.mark.parametrize(("name", "part", "written", "missing"), WITHOUT.values(), ids=WITHOUT)
def test_policy_that_lacks_what_is_declared_is_refused(
    team: Repository, name: str, part: str, written: str, missing: str
) -> None:
    write(team, templates.base(name).replace(part, written), name)
    with pytest.raises(DeclarationError) as raised:
        render_policies(team.load(), DEV)
    expected = (
        f"policies/{name}.hcl.j2:1: renders to a policy without {missing}, which the declaration "
        f"needs; grant it, or compare with: strongroom policies diff {name}"
    )
    assert expected in map(str, raised.value.errors)
    assert expected in find_policy_errors(team.load())


@pytest.mark.parametrize("kept", ["revoke-self", "leases/renew", "lookup-self"])
def test_policy_may_lack_what_the_tool_adds(team: Repository, kept: str) -> None:
    write(team, templates.base("service").replace(kept, "left-out"))
    assert find_policy_errors(team.load()) == ()


def test_path_that_covers_other_services_is_a_warning_of_check(
    team: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = 'path "{{ mounts.kv }}/data/*" {\n  capabilities = ["read"]\n}\n'
    path = write(team, f"{templates.base('service')}{wide}")
    line = path.read_text().splitlines().index(wide.splitlines()[0]) + 1
    assert run_command(monkeypatch, "check") == 0
    assert capsys.readouterr().err.splitlines() == [
        f"warning: policies/service.hcl.j2:{line}: the policy of {scope} grants secret/data/*, "
        "which covers other services, too; write the service's own paths"
        for scope in ("shop-dev", "shop-prod")
    ]


def test_template_that_no_environment_uses_is_checked_too(
    team: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(team, "{% if %}", "apply-scoped")
    render_policies(team.load(), DEV)
    (error,) = find_policy_errors(team.load())
    assert error.startswith("policies/apply-scoped.hcl.j2:2: cannot be rendered: ")
    assert run_command(monkeypatch, "check") == 2
    assert capsys.readouterr().out == f"{error}\n"


@pytest.mark.parametrize("first", ["", "# base: sha256:12", f"# base: {OLD} ", "#base: x", RULE])
def test_template_without_its_digest_is_an_error_wherever_it_is_loaded(
    team: Repository,
    first: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (team.policies / "service.hcl.j2").write_text(f"{first}\n{RULE}")
    expected = (
        "policies/service.hcl.j2:1: the first line is another one (expected '# base: sha256:…' "
        "with the digest of the template that it replaces; compare with: strongroom policies diff "
        "service, then add it with: strongroom policies override service --accept)"
    )
    with pytest.raises(DeclarationError) as raised:
        team.load()
    assert str(raised.value) == expected
    assert check_repository(team).errors == (expected,)
    for command in ("plan --env dev", "apply --env dev", "status", "policies test --env dev"):
        assert run_command(monkeypatch, *command.split()) == 1
        assert expected in " ".join(capsys.readouterr().err.split())


def test_template_of_an_unknown_name_is_an_error_beside_those_of_the_declaration(
    team: Repository,
) -> None:
    write(team, RULE).rename(team.policies / "servce.hcl.j2")
    (team.policies / "service.j2").write_text("")
    service = team.declaration / "services" / "shop.yaml"
    service.write_text(service.read_text().replace("owner:", "ownr:"))
    with pytest.raises(DeclarationError) as raised:
        team.load()
    found = [str(error) for error in raised.value.errors]
    assert found[0].startswith("policies/servce.hcl.j2:1: the file replaces no policy of the tool")
    assert found[0].endswith("did you mean 'service.hcl.j2'?)")
    assert found[1].startswith("policies/service.j2:1: the file replaces no policy of the tool")
    assert found[2].startswith("services/shop.yaml:")


def test_template_outside_of_the_folder_is_not_read(team: Repository, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(f"# base: {OLD}\npassword")
    (team.policies / "service.hcl.j2").symlink_to(other)
    with pytest.raises(DeclarationError, match="a link that leads out of policies/"):
        team.load()


def test_changed_base_is_a_warning_of_check_and_plan(
    team: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(team, templates.base("service"), digest=OLD)
    warning = (
        "warning: policies/service.hcl.j2:1: strongroom's own template has changed since this file "
        "replaced it; compare with: strongroom policies diff service, take over what you need, "
        "then record that with: strongroom policies override service --accept"
    )
    assert run_command(monkeypatch, "check") == 0
    printed = capsys.readouterr()
    assert printed.err == f"{warning}\n"
    assert printed.out.startswith("No error")
    # There is no server, so that the plan fails after the warning.
    assert run_command(monkeypatch, "plan", "--env", "dev") == 1
    assert capsys.readouterr().err.startswith(f"{warning}\n")
