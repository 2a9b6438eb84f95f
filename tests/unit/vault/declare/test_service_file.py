from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_integration.errors import ConfigurationError
from vault.declare.edit import service_file
from vault.declare.faults import DeclarationError
from vault.declare.yaml import document

BASE = Path(__file__).parents[3] / "faults" / "declare" / "base"

COMMENTED = """\
# The shop.
service: shop
owner: shop-team
description: Sells things.

secrets:
    # Signs logins.
    token: {source: given}  # never printed
    # The last one.
    mail-password:
        source: given
        description: |
            Two lines,
            in all.

# What the shop may be told.
settings:
    mail-host:
        type: text   # a name
database:
  engine: postgresql
  name: shop
  roles: {default: {ttl: 1h, max_ttl: 24h}}
"""

GIVEN = {"source": "given"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    service = tmp_path / "services" / "shop.yaml"
    service.write_text(COMMENTED)
    return service


def templates(path: Path) -> Path:
    return path.parents[1] / "templates"


def test_a_secret_goes_after_the_last_one_and_all_else_stays(path: Path) -> None:
    service_file.add_secrets(
        path, {"api-key": {"source": "given", "rotate_every": "90d"}}, templates(path)
    )
    added = "    api-key:\n      source: given\n      rotate_every: 90d\n"
    assert path.read_text() == COMMENTED.replace("in all.\n", f"in all.\n{added}")


def test_a_setting_goes_before_the_section_that_follows(path: Path) -> None:
    service_file.add_settings(path, {"tls": {"type": "boolean", "default": True}}, templates(path))
    added = "    tls:\n      type: boolean\n      default: true\n"
    assert path.read_text() == COMMENTED.replace("database:\n", f"{added}database:\n")


def test_a_section_that_is_not_there_is_begun_at_the_end(path: Path) -> None:
    start, end = COMMENTED.index("\n# What"), COMMENTED.index("database:")
    without = COMMENTED[:start] + "\n" + COMMENTED[end:].rstrip("\n")
    path.write_text(without)
    for environment in (path.parents[1] / "environments").glob("*.yaml"):
        text = environment.read_text()
        environment.write_text(text[: text.index("    settings:")])
    service_file.add_settings(path, {"tls": {"type": "boolean", "default": True}}, templates(path))
    added = "\nsettings:\n  tls:\n    type: boolean\n    default: true\n"
    assert path.read_text() == f"{without}\n{added}"


def test_windows_line_ends_are_kept(path: Path) -> None:
    path.write_bytes(COMMENTED.replace("\n", "\r\n").encode())
    service_file.add_secrets(path, {"api-key": GIVEN}, templates(path))
    content = path.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") == COMMENTED.count("\n") + 2


def test_the_mode_of_the_file_is_kept_and_nothing_is_left_beside_it(path: Path) -> None:
    path.chmod(0o640)
    service_file.add_secrets(path, {"api-key": GIVEN}, templates(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["shop.yaml"]


def test_nothing_to_add_leaves_the_file_alone(path: Path) -> None:
    before = path.stat()
    service_file.add_secrets(path, {}, templates(path))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("API_KEY", GIVEN, "did you mean 'api-key'"),
        ("api-key", {"source": "gven"}, "did you mean 'given'"),
        ("api-key", {"source": "given", "value": "hunter2"}, "has the unknown key 'value'"),
        ("mail/host", GIVEN, "becomes the environment variable MAIL_HOST"),
    ],
)
def test_what_would_not_hold_is_refused_and_the_file_is_as_it_was(
    path: Path, name: str, spec: service_file.Spec, message: str
) -> None:
    with pytest.raises(DeclarationError, match=message) as caught:
        service_file.add_secrets(path, {name: spec}, templates(path))
    assert "hunter2" not in str(caught.value)
    assert path.read_text() == COMMENTED


def test_a_setting_that_some_environment_would_lack_is_refused(path: Path) -> None:
    with pytest.raises(DeclarationError, match="lacks a value for 'region'"):
        service_file.add_settings(path, {"region": {"type": "text"}}, templates(path))
    assert path.read_text() == COMMENTED


def test_a_name_that_is_there_is_refused_with_its_line(path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"shop\.yaml:8: secrets\.token is declared already"
    ):
        service_file.add_secrets(path, {"token": GIVEN}, templates(path))


def test_a_section_in_braces_is_refused_with_its_line(path: Path) -> None:
    text = COMMENTED[: COMMENTED.index("settings:")] + "settings: {mail-host: {type: text}}\n"
    path.write_text(text + COMMENTED[COMMENTED.index("database:") :])
    with pytest.raises(ConfigurationError, match=r"shop\.yaml:17: settings is written in braces"):
        service_file.add_settings(path, {"tls": {"type": "boolean"}}, templates(path))


def test_a_file_elsewhere_is_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected services/<name>\.yaml"):
        service_file.add_secrets(path.with_name("shpo.yaml"), {"api-key": GIVEN}, templates(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_is_written_so_that_it_reads_back(path: Path, text: str) -> None:
    path.write_text(COMMENTED)
    spec = {"type": "text", "default": text}
    try:
        service_file.add_settings(path, {"motto": spec}, templates(path))
    except DeclarationError:
        assert path.read_text() == COMMENTED
    else:
        read_back = document.read("shop.yaml", path.read_bytes()).data
        before = document.read("shop.yaml", COMMENTED.encode()).data
        before["settings"]["motto"] = spec
        assert read_back == before
