"""Places of secrets in a program: which variables it gets, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from app_integration.errors import ConfigurationError, InvalidName, StrongroomError
from app_integration.program.command import SecretFiles, find_places, main
from app_integration.program.secret_variables import MAX_VARIABLE, SecretPlaces, scrub
from app_integration.secret import Secret
from app_integration.settings import from_environment

SETTINGS: Final = from_environment(
    {
        "VAULT_ADDR": "https://127.0.0.1:1",
        "ENVIRONMENT": "dev",
        "STRONGROOM_SERVICE": "parcels",
        "STRONGROOM_ROLE_ID_FILE": "/role",
        "STRONGROOM_SECRET_ID_FILE": "/secret",
    }
)
TOKEN: Final = SecretPlaces({"token": "TOKEN"}, {})


def test_our_variables_are_left_out() -> None:
    ours = ("STRONGROOM_AUDIT", "VAULT_TOKEN", "BAO_ADDR", "SECRETS_BACKEND")
    theirs = {"ENVIRONMENT": "dev", "DATABASE_VAULT_ID": "7", "PATH": "/bin"}
    assert scrub({**dict.fromkeys(ours, "x"), **theirs}) == theirs


def test_secret_wins_over_a_variable_of_its_name() -> None:
    places = SecretPlaces({"a": "A", "b/c": "B_C"}, {"b/c": Path("/run/c")})
    values = {"a": Secret("first"), "b/c": Secret("second")}
    built = places.build_variables({"A": "old", "B_C_FILE": "/old", "D": "kept"}, values)
    assert built == {"A": b"first", "B_C_FILE": "/run/c", "D": "kept"}


@pytest.mark.parametrize("more", [0, 1])
def test_value_up_to_the_limit_of_the_system_is_taken(more: int) -> None:
    longest = MAX_VARIABLE - len("TOKEN=") - 1
    value = Secret("ü" * (longest // 2) + "x" * (longest % 2 + more))
    if more:
        with pytest.raises(ConfigurationError, match=f"has {longest + 1} bytes"):
            TOKEN.build_variables({}, {"token": value})
    else:
        assert len(TOKEN.build_variables({}, {"token": value})["TOKEN"]) == longest


@pytest.mark.parametrize("files", [{}, {"token": Path("/run/token")}])
@pytest.mark.parametrize(("value", "words"), [("a\0b", "a NUL"), ("a\ud800b", "a lone surrogate")])
def test_value_that_no_program_can_read_is_refused(
    files: dict[str, Path], value: str, words: str
) -> None:
    places = SecretPlaces({"token": "TOKEN"}, files)
    with pytest.raises(InvalidName, match=f"the value of token holds {words}"):
        places.build_variables({}, {"token": Secret(value)})


def test_only_files_that_were_written_are_removed(tmp_path: Path) -> None:
    files = SecretFiles({"a": tmp_path / "a", "b": tmp_path / "absent" / "b", "c": tmp_path / "c"})
    (tmp_path / "c").write_text("somebody's")
    with pytest.raises(FileNotFoundError):
        files.write({name: Secret(name) for name in "abc"})
    files.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize(
    ("named", "files", "words"),
    [
        ([], [], "for all that are declared, use strongroom run --service"),
        (["../sys"], [], "secret name '../sys'"),
        (["a-b"], ["a/b=/run/b"], "two of a-b, a/b have the same variable"),
        (["a"], ["b"], "--file is not NAME=PATH"),
        (["a"], ["b="], "--file is not NAME=PATH"),
        ([], ["b=/run/b", "b=/run/c"], "--file is not NAME=PATH, or has a name or path twice"),
        ([], ["b=/run/b", "c=/run/b"], "--file is not NAME=PATH, or has a name or path twice"),
        (["a-file"], ["a=/run/a"], "a-file has the variable A_FILE, as the file of a has"),
    ],
)
def test_places_are_refused_before_any_request(
    named: Sequence[str], files: Sequence[str], words: str
) -> None:
    with pytest.raises(StrongroomError) as caught:
        find_places(SETTINGS, named, files)
    assert words in str(caught.value)


def test_secret_in_a_file_is_named_by_its_file_alone() -> None:
    places = find_places(SETTINGS, (), ["tls/key=key.pem"])
    assert places == SecretPlaces({"tls/key": "TLS_KEY"}, {"tls/key": Path.cwd() / "key.pem"})


@pytest.mark.parametrize("arguments", [(), ("--",), ("true",), ("--nmae", "a", "--", "true")])
def test_wrong_usage_exits_64(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 64
