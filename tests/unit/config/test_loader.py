"""Loading of the delivered file: which files are rejected, and when a replacement takes effect."""

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, field_validator

from app_integration.config.file_reader import MAX_SIZE
from app_integration.config.loader import ConfigFile, changed_fields, load_config
from app_integration.errors import ConfigRejected, ConfigurationError, DeadlineExceeded
from tests.support.clock import Clock
from tests.support.processes.loaded_modules import loaded_by

CANARY = "canary-8f3b2c"


class Database(BaseModel):
    url: str


class Config(BaseModel):
    database: Database
    jwt_secret: str = Field(min_length=32)

    @field_validator("jwt_secret")
    @classmethod
    def _not_reversed(cls, value: str) -> str:
        if value.startswith("!"):
            raise ValueError(f"starts with '!': {value}")
        return value


class Unfriendly:
    """A model whose own error repeats its input."""

    @classmethod
    def model_validate(cls, obj: object, /) -> "Unfriendly":
        raise RuntimeError(repr(obj))


def text(secret: str = "s" * 32, url: str = "x") -> str:
    return f'database: {{url: "{url}"}}\njwt_secret: "{secret}"\n'


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a private file into a folder, as a delivery does: a new file each time."""

    def put(content: str | bytes, name: str = "app.yaml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        fresh = tmp_path / f".{name}"
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)
        fresh.chmod(mode)
        fresh.replace(path)
        return path

    return put


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("app.yaml", text()),
        ("app.yml", text()),
        ("app.json", '{"database": {"url": "x"}, "jwt_secret": "' + "s" * 32 + '"}'),
        ("app.toml", f'jwt_secret = "{"s" * 32}"\n[database]\nurl = "x"\n'),
    ],
)
def test_load_config_selects_format_by_suffix(write: Write, name: str, content: str) -> None:
    assert load_config(Config, write(content, name)).database.url == "x"


def test_load_config_takes_path_as_text(write: Write) -> None:
    path = write(text())
    assert load_config(Config, str(path)).database.url == "x"
    assert ConfigFile(Config, str(path)).path == path


def test_load_config_takes_path_from_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_SERVICE", "gaara-store")
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.delenv("STRONGROOM_CONFIG", raising=False)
    with pytest.raises(ConfigurationError, match="STRONGROOM_CONFIG is not set"):
        load_config(Config)
    monkeypatch.setenv("STRONGROOM_CONFIG", str(write(text())))
    assert load_config(Config).database.url == "x"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty; wait for its delivery, or write it again"),
        (" \n\n", "is empty; wait for its delivery, or write it again"),
        (text().rstrip("\n"), "so it was only partly written; write it again"),
        (
            text(url="<no value>"),
            ":1: <no value>: the server holds no value for this place; write the secret",
        ),
        (b"a: \xff\n", ":1: invalid UTF-8; write it as UTF-8"),
        ("a: 1\nb: [\n", ":3: invalid YAML; correct its template"),
        ("a: \x07\n", ":1: invalid YAML; correct its template"),
        ("a: 2020-99-99\n", ":1: invalid YAML; correct its template"),
        ("a: !!python/object:os.system 1\n", ":1: invalid YAML; correct its template"),
        ("a: !!bool secret\n", ":1: invalid YAML; correct its template"),
        ("a: !!int ''\n", ":1: invalid YAML; correct its template"),
        ("a: !!timestamp secret\n", ":1: invalid YAML; correct its template"),
        ("#" * (MAX_SIZE + 1), f"has more than {MAX_SIZE} bytes; name a config file"),
        ("- 1\n", "is not valid for Config: the document (model_type); correct that"),
        ("database: {}\n", "Config: database.url (missing), jwt_secret (missing); correct that"),
        (
            text(secret="short"),
            "is not valid for Config: jwt_secret (string_too_short); correct that",
        ),
        (text(secret="!" * 32), "is not valid for Config: jwt_secret (value_error); correct that"),
    ],
)
def test_load_config_invalid_file_is_rejected_with_reason(
    write: Write, content: str | bytes, reason: str
) -> None:
    with pytest.raises(ConfigRejected) as caught:
        load_config(Config, write(content))
    assert str(caught.value).endswith(reason)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("app.json", '{\n"a": 1\n"b": 2}', ":3: invalid JSON; correct its template"),
        ("app.json", "[" * 100_000, ":1: invalid JSON; correct its template"),
        ("app.json", '{"a": ' + "1" * 5000 + "}", ":1: invalid JSON; correct its template"),
        ("app.toml", "a = 1\nb = none\n", ":2: invalid TOML; correct its template"),
        ("app.toml", "a = " + "1" * 5000 + "\n", ":1: invalid TOML; correct its template"),
        ("app.env", "A=1\n", "(expected a name that ends in .yaml, .yml, .json, .toml)"),
    ],
)
def test_load_config_invalid_json_or_toml_is_rejected(
    write: Write, name: str, content: str, reason: str
) -> None:
    with pytest.raises(ConfigRejected) as caught:
        load_config(Config, write(content, name))
    assert str(caught.value).endswith(reason)


def test_load_config_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigRejected, match=r"app\.yaml cannot be read: No such file"):
        load_config(Config, tmp_path / "app.yaml")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o4600])
def test_load_config_mode_wider_than_0600_is_rejected(write: Write, mode: int) -> None:
    with pytest.raises(ConfigRejected, match=f"has mode {mode:04o} .*chmod 0600"):
        load_config(Config, write(text(), mode=mode))


def test_load_config_read_only_file_is_accepted(write: Write) -> None:
    assert load_config(Config, write(text(), mode=0o400)).database.url == "x"


def test_load_config_file_of_another_user_is_rejected(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(text())
    owner = path.stat().st_uid
    found = path.stat()
    as_other = os.stat_result((*found[:4], owner + 12345, *found[5:10]))
    monkeypatch.setattr("app_integration.config.file_reader.os.fstat", lambda _: as_other)
    with pytest.raises(ConfigRejected, match=f"belongs to user {owner + 12345}"):
        load_config(Config, path)


def test_load_config_irregular_file_is_rejected_without_blocking(tmp_path: Path) -> None:
    pipe = tmp_path / "app.yaml"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(ConfigRejected, match="is not a regular file"):
        load_config(Config, pipe)
    with pytest.raises(ConfigRejected, match="is not a regular file"):
        load_config(Config, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        text(secret=CANARY),
        text(secret=f"!{CANARY}{'x' * 32}"),
        f"jwt_secret: {CANARY}\n",
        f"a: &x {CANARY}\nb: *{CANARY}\n",
        f"a: {CANARY}: b\n",
    ],
)
@pytest.mark.parametrize("model", [Config, Unfriendly])
def test_config_rejected_never_contains_value(
    write: Write, content: str, model: type[Config | Unfriendly]
) -> None:
    with pytest.raises(ConfigRejected) as caught:
        load_config(model, write(content))
    seen: BaseException | None = caught.value
    while seen is not None:
        assert CANARY not in str(seen)
        seen = seen.__cause__ or seen.__context__


def test_loader_import_loads_no_parser() -> None:
    loaded = loaded_by("app_integration.config.loader", "app_integration.config.deliver")
    assert not {"yaml", "pydantic"} & loaded


def test_config_file_replaced_takes_effect_within_a_second(write: Write) -> None:
    clock = Clock()
    config = ConfigFile(Config, write(text(url="first")), clock=clock)
    write(text(url="second"))
    clock.now = 0.9
    assert config.current().database.url == "first"
    clock.now = 1.0
    assert config.current().database.url == "second"


def test_config_file_unchanged_is_read_once(write: Write) -> None:
    clock = Clock()
    config = ConfigFile(Config, write(text()), clock=clock)
    first = config.current()
    clock.now = 5.0
    assert config.current() is first


def test_config_file_whose_validation_timed_out_is_checked_again(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validator may send a request to a slow server."""
    clock = Clock()
    config = ConfigFile(Config, write(text(url="first")), clock=clock)
    write(text(url="second"))

    def slow(_document: object) -> Config:
        raise DeadlineExceeded("no answer in time")

    with monkeypatch.context() as patch:
        patch.setattr(Config, "model_validate", slow)
        clock.now = 1.0
        assert config.current().database.url == "first"
    clock.now = 2.0
    assert config.current().database.url == "second"


def test_config_file_replaced_by_invalid_one_keeps_config_and_reason(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    config = ConfigFile(Config, write(text(url="good")), clock=clock)
    write(text(secret=CANARY))
    for clock.now in (1.0, 2.0, 3.0):
        assert config.current().database.url == "good"
    assert str(config.rejected).endswith("jwt_secret (string_too_short); correct that")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert CANARY not in caplog.text
    write(text(url="better"))
    clock.now = 4.0
    assert config.current().database.url == "better"
    assert config.rejected is None


def test_config_file_deleted_keeps_config(write: Write) -> None:
    clock = Clock()
    config = ConfigFile(Config, write(text(url="good")), clock=clock)
    config.path.unlink()
    clock.now = 1.0
    assert config.current().database.url == "good"
    assert "No such file" in str(config.rejected)


def test_config_file_invalid_at_start_raises(write: Write) -> None:
    with pytest.raises(ConfigRejected):
        ConfigFile(Config, write(text(secret="short")))


def test_config_file_replaced_gives_threads_whole_configs(write: Write) -> None:
    ticks = iter(range(10**9))
    config = ConfigFile(Config, write(text(url="0")), clock=lambda: float(next(ticks)))

    def read() -> list[Config]:
        return [config.current() for _ in range(100)]

    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(read) for _ in range(4)]
        for letter in "abcdefgh":
            write(text(url=letter, secret=letter * 32))
    seen = [(each.database.url, each.jwt_secret[:1]) for ended in reads for each in ended.result()]
    assert len(seen) == 400
    assert all(url == secret for url, secret in seen if url != "0")


def test_changed_fields_are_names_without_values(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    config = ConfigFile(Config, write(text()), clock=clock)
    told: list[frozenset[str]] = []
    config.on_change(told.append)
    write(text(secret=CANARY * 3, url=CANARY))
    clock.now = 1.0
    with caplog.at_level(logging.DEBUG):
        config.current()
    write(text(secret=CANARY * 3, url=CANARY) + "# a comment\n")
    clock.now = 2.0
    config.current()
    assert told == [frozenset({"database.url", "jwt_secret"})]
    assert "changed: database.url, jwt_secret" in caplog.text
    assert CANARY not in caplog.text


def test_changed_fields_exclude_keys_of_mapping() -> None:
    class Users(BaseModel):
        passwords: dict[str, str]

    old, new = Users(passwords={}), Users(passwords={CANARY: CANARY})
    assert changed_fields(old, new) == {"passwords"}
    assert changed_fields(old, "another kind") == {"the document"}
    assert changed_fields(old, Users(passwords={})) == frozenset()


def test_callback_that_fails_does_not_prevent_others(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_changed: frozenset[str]) -> None:
        raise RuntimeError(CANARY)

    clock = Clock()
    config = ConfigFile(Config, write(text()), clock=clock)
    told: list[frozenset[str]] = []
    config.on_change(fail)
    config.on_change(told.append)
    write(text(url="y"))
    clock.now = 1.0
    assert config.current().database.url == "y"
    assert told == [frozenset({"database.url"})]
    assert "failed: RuntimeError" in caplog.text
    assert CANARY not in caplog.text
