"""Shared values of dev: who opens a file, and what a changed one is."""

from __future__ import annotations

import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from app_integration.errors import ConfigurationError
from app_integration.host_commands.options import offline_cipher
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from console.scaffold.new_repository import NewRepository
from console.scaffold.new_service import NewService
from vault.declare import repository
from vault.declare.dev_values.identity import create_identity, identity_path, read_public_keys
from vault.declare.dev_values.shared_values import SharedFiles, SharedValues
from vault.declare.schema.secret_sources import Generated, Given

PARCELS, LABELS = (Scope(name, Environment.DEV) for name in ("parcels", "labels"))
VALUES = {"carrier-token": Secret("tok-9f8e7d6c5b4a3f"), "mail-token": Secret("mail-1a2b3c4d")}


@dataclass(frozen=True)
class Team:
    """Repository of two services, and the identities of two members."""

    root: Path
    ada: Path
    bo: Path

    def files(self, identity: Path) -> SharedFiles:
        return SharedFiles(repository.read(self.root).load(), identity)

    def keys(self, *identities: Path) -> dict[str, str]:
        return {read_public_keys(each)[0]: each.name for each in identities}

    @property
    def file(self) -> Path:
        return self.root / "dev-values" / "parcels.encrypted"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the repository and the identities, which takes long to make."""
    folder = tmp_path_factory.mktemp("made")
    servers = {Environment("prod"): "https://vault.example.com"}
    NewRepository("shop", "ada", servers).write(folder / "team")
    here = repository.read(folder / "team")
    for scope in (PARCELS, LABELS):
        NewService(scope.service, "ada", "Ships.", ("session-key",), list(VALUES)).write(here)
    team = Team(folder / "team", folder / "ada", folder / "bo")
    for identity in (team.ada, team.bo):
        create_identity(identity)
    (team.root / "dev-values").mkdir()
    members = team.keys(team.ada, team.bo)
    lines = [f"{key} {name}\n" for key, name in members.items()]
    (team.root / "dev-values" / "members").write_text("".join(lines))
    team.files(team.ada).write(PARCELS, SharedValues(members, VALUES))
    return folder


@pytest.fixture
def team(made: Path, tmp_path: Path) -> Team:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Team(tmp_path / "team", tmp_path / "ada", tmp_path / "bo")


def test_each_member_opens_the_file_and_it_has_no_value_in_clear(team: Team) -> None:
    for identity in (team.ada, team.bo):
        assert team.files(identity).read(PARCELS).values == VALUES
    content = team.file.read_bytes()
    assert not [each for each in VALUES.values() if each.reveal().encode() in content]
    assert stat.S_IMODE(team.file.stat().st_mode) == 0o600
    assert "tok-" not in repr(team.files(team.ada).read(PARCELS))


def test_values_are_inputs_of_members_alone(team: Team, tmp_path: Path) -> None:
    paths = {f"secret/parcels/dev/{name}": value for name, value in VALUES.items()}
    assert team.files(team.bo).inputs() == paths
    assert team.files(tmp_path / "absent").inputs() == {}
    other = tmp_path / "other"
    create_identity(other)
    assert team.files(other).inputs() == {}
    with pytest.raises(
        ConfigurationError, match=r"is not a member's; .* strongroom dev-values key"
    ):
        team.files(other).check_member()


def test_value_may_be_empty_as_an_import_writes_it(team: Team) -> None:
    files = team.files(team.ada)
    before = files.read(PARCELS)
    added = {"mail-token": Secret("")}
    files.write(PARCELS, before.renew(files.members, added, files.shareable(PARCELS)))
    assert files.usable(PARCELS)["mail-token"].reveal() == ""


@pytest.mark.parametrize("place", [20, 100, 1100, 2600, 4100, -1])
def test_changed_file_is_refused(team: Team, place: int) -> None:
    content = bytearray(team.file.read_bytes())
    content[place] ^= 1
    team.file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"parcels\.encrypted cannot be opened"):
        team.files(team.ada).inputs()


@pytest.mark.parametrize("left", [0, -6, -5])
def test_cut_file_is_refused(team: Team, left: int) -> None:
    content = team.file.read_bytes()
    team.file.write_bytes(content[:left])
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        team.files(team.ada).read(PARCELS)


def test_file_of_another_service_or_deployment_is_refused(team: Team) -> None:
    team.file.with_name("labels.encrypted").write_bytes(team.file.read_bytes())
    with pytest.raises(ConfigurationError, match=r"labels\.encrypted cannot be opened"):
        team.files(team.ada).read(LABELS)
    for file in (team.root / "strongroom.yaml", *(team.root / "environments").iterdir()):
        file.write_text(file.read_text().replace("shop", "other"))
    with pytest.raises(ConfigurationError, match=r"parcels\.encrypted cannot be opened"):
        team.files(team.ada).read(PARCELS)


def test_departed_member_cannot_open_the_new_file(team: Team) -> None:
    files, alone = team.files(team.ada), team.keys(team.ada)
    before = files.read(PARCELS)
    after = before.renew(alone, {"mail-token": Secret("mail-of-today")}, files.shareable(PARCELS))
    assert before.departed(alone) == ["bo"]
    assert before.unchanged(after) == ["carrier-token"]
    old = team.file.read_bytes()
    files.write(PARCELS, after)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        team.files(team.bo).read(PARCELS)
    assert files.read(PARCELS) == after
    assert team.file.read_bytes()[4096:] != old[4096:], "the body is under a new key"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", "contains no values"),
        (b'{"members": {}, "values": 1}', "contains no values"),
        (b"tok-9f8e7d6c5b4a3f", "contains no values"),
        (b'{"members": {}, "values": {"carrier-token": 1}}', "has values that are no text"),
        (b'{"format": 2, "members": [{"key": "age1x"}], "secrets": {}}', "install a newer strong"),
        (b'{"format": 2}', "install a newer strongroom"),
        (b'{"members": {}, "values": {"mail-token": "a\\u0000"}}', "encrypted: .*mail-token"),
        (b'{"members": {}, "values": {"mail-token": "\\ud800tok-"}}', "encrypted: .*mail-token"),
    ],
)
def test_file_of_another_content_is_refused(team: Team, content: bytes, reason: str) -> None:
    context, keys = {"of": "dev values", "deployment": "shop"}, list(team.keys(team.ada))
    with offline_cipher(PARCELS).create(team.file, context=context, recipients=keys) as file:
        file.write(content)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        team.files(team.ada).read(PARCELS)
    assert "tok-" not in str(caught.value)


def test_value_that_is_not_declared_any_more_is_left_out(team: Team) -> None:
    files = team.files(team.ada)
    others = {"gone": Secret("x"), "session-key": Secret("x"), "UPPER/../x": Secret("x")}
    files.write(PARCELS, SharedValues(files.members, {**others, **VALUES}))
    assert files.inputs().keys() == {f"secret/parcels/dev/{name}" for name in VALUES}
    assert files.shareable(PARCELS) == list(VALUES), "not the generated one"
    before = files.read(PARCELS)
    assert before.renew({}, {}, ["mail-token"]).values.keys() == {"mail-token"}


def test_value_that_dev_generates_is_neither_shared_nor_given(team: Team) -> None:
    file = team.root / "services" / "parcels.yaml"
    line = "carrier-token: {source: given"
    file.write_text(file.read_text().replace(line, f"{line}, dev: generated"))
    declared = repository.read(team.root).load()
    here = declared.secrets(PARCELS)["carrier-token"]
    assert isinstance(here, Generated)
    assert here.length == 48
    there = declared.secrets(Scope("parcels", Environment("prod")))["carrier-token"]
    assert isinstance(there, Given)
    assert team.files(team.ada).shareable(PARCELS) == ["mail-token"]


def test_identity_is_private_and_where_the_variables_say(tmp_path: Path) -> None:
    home = {"HOME": "/home/ada"}
    assert identity_path(home) == Path("/home/ada/.config/strongroom/identity.txt")
    assert identity_path({**home, "STRONGROOM_IDENTITY": "/run/key"}) == Path("/run/key")
    path = tmp_path / "new" / "identity.txt"
    create_identity(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    comment, private = path.read_text().splitlines()
    by_age = pyrage.x25519.Identity.from_str(private)
    assert comment == f"# public key: {by_age.to_public()}"
    assert read_public_keys(path) == (str(by_age.to_public()),)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 0600"):
        read_public_keys(path)
