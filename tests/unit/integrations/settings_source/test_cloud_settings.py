"""Ways of using the sources of clouds, and the page about this one."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app_integration.integrations.pydantic_settings import FromStrongroom, StrongroomSource
from app_integration.testing.application import MemoryApplication
from tests.support.models.sourced_settings import (
    CANARY,
    MARKED,
    SECRETS,
    Account,
    Colour,
    make,
)

ROOT = Path(__file__).parents[4]


class Sub(BaseModel):
    a: MARKED


class Partial(BaseModel):
    host: str = "localhost"
    key: Annotated[str, FromStrongroom("key")] = "none"


def pascal(name: str) -> str:
    return name.title().replace("_", "")


def marked(kind: Any, name: str = "", **options: Any) -> Any:
    return (Annotated[kind, FromStrongroom(name, **options)], ...)


FLAT = {"foo": marked(str), "bar": marked(int)}
FLAT_SECRETS = {"foo": "x", "bar": "2"}
FLAT_VALUES = {"foo": "x", "bar": 2}
SUB = {"sub": (Sub, ...)}
SUB_VALUES = {"sub": {"a": "x"}}
VERSIONS = {
    "my_secret": (marked(str, "my-secret")[0], Field(alias="my-secret")),
    "my_secret_v1": (marked(str, "my-secret", version=1)[0], Field(alias="my-secret")),
}


@dataclass(frozen=True)
class Way:
    """One use of the source: the fields of the class, the secrets, and the values they give."""

    fields: dict[str, Any]
    secrets: dict[str, str]
    values: dict[str, Any]
    order: str = "strongroom"
    options: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


#: Each way in which the sources of pydantic-settings for AWS Secrets Manager, Azure Key Vault and
#: Google Secret Manager are documented to be used.
WAYS: dict[str, Way] = {
    "all: the last source": Way(
        FLAT, FLAT_SECRETS, FLAT_VALUES, order="init env dotenv files strongroom"
    ),
    "all: the first source": Way(
        FLAT, FLAT_SECRETS, FLAT_VALUES, order="strongroom init env dotenv files"
    ),
    "all: the only source": Way(FLAT, FLAT_SECRETS, FLAT_VALUES),
    "all: a model as one JSON text": Way(
        {"sub": marked(Account)}, {"sub": '{"user": "x"}'}, {"sub": {"user": "x", "scopes": []}}
    ),
    "all: an alias": Way(
        {"password": (marked(str, "sql-server-password")[0], Field(alias="SqlServerPassword"))},
        {"sql-server-password": "x"},
        {"password": "x"},
    ),
    "all: case_sensitive": Way(
        {"Foo": marked(str)}, {"foo": "x"}, {"Foo": "x"}, config={"case_sensitive": True}
    ),
    "all: env_prefix": Way(
        {**SUB, **FLAT, "key": marked(str, "key")},
        {"shop-sub/a": "x", "shop-foo": "x", "shop-bar": "2", "key": "z"},
        {**SUB_VALUES, **FLAT_VALUES, "key": "z"},
        options={"env_prefix": "SHOP_"},
    ),
    "all: env_prefix of the class is that of variables": Way(
        FLAT, FLAT_SECRETS, FLAT_VALUES, order="strongroom env", config={"env_prefix": "SHOP_"}
    ),
    "all: env_parse_none_str": Way(
        {"foo": marked(str | None)},
        {"foo": "null"},
        {"foo": None},
        options={"env_parse_none_str": "null"},
    ),
    "all: env_parse_none_str of the class": Way(
        {"foo": marked(list[str] | None)},
        {"foo": "null"},
        {"foo": None},
        config={"env_parse_none_str": "null"},
    ),
    "all: env_parse_enums": Way(
        {"foo": marked(Colour)},
        {"foo": "RED"},
        {"foo": Colour.RED},
        options={"env_parse_enums": True},
    ),
    "all: env_ignore_empty": Way(
        {"foo": (MARKED, "default")},
        {"foo": ""},
        {"foo": "default"},
        options={"env_ignore_empty": True},
    ),
    "all: an empty value": Way({"foo": marked(str)}, {"foo": ""}, {"foo": ""}),
    "all: nested_model_default_partial_update": Way(
        {"part": (Partial, Partial(host="mail"))},
        {"key": "x"},
        {"part": {"host": "mail", "key": "x"}},
        config={"nested_model_default_partial_update": True},
    ),
    "AWS: nested models with --": Way(
        SUB, {"sub--a": "x"}, SUB_VALUES, options={"env_nested_delimiter": "--"}
    ),
    "AWS: keys of one secret": Way(
        {"foo": marked(str, "shop", field="foo"), "bar": marked(int, "shop", field="bar")},
        {"shop field=foo": "x", "shop field=bar": "2"},
        FLAT_VALUES,
    ),
    "AWS: version_id": Way({"foo": marked(str, version=3)}, {"foo version=3": "x"}, {"foo": "x"}),
    "Azure: dash_to_underscore": Way(
        {
            "with_underscore": marked(str),
            "other": (marked(str, "with-dashes")[0], Field(alias="With-Dashes")),
        },
        {"with-underscore": "x", "with-dashes": "y"},
        {"with_underscore": "x", "other": "y"},
    ),
    "Azure: snake_case_conversion": Way(
        {"my_setting": marked(str), **SUB},
        {"my-setting": "y", "sub__a": "x"},
        {"my_setting": "y", **SUB_VALUES},
        options={"env_nested_delimiter": "__"},
    ),
    "Azure: an alias_generator": Way(
        {"my_setting": marked(str)},
        {"my-setting": "x"},
        {"my_setting": "x"},
        config={"alias_generator": pascal},
    ),
    "Google: nested models": Way(
        SUB,
        {"sub__a": "x"},
        SUB_VALUES,
        order="init env dotenv files strongroom",
        options={"env_nested_delimiter": "__"},
        config={"env_nested_delimiter": "__"},
    ),
    "Google: versions of one secret": Way(
        VERSIONS,
        {"my-secret": "new", "my-secret version=1": "old"},
        {"my_secret": "new", "my_secret_v1": "old"},
        order="strongroom init env dotenv files",
        config={"populate_by_name": True},
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_way_to_use_the_sources_of_clouds_works(name: str) -> None:
    way = WAYS[name]
    SECRETS.clear()
    SECRETS.update(way.secrets)
    settings = make("Way", way.config, **way.fields)
    settings.order, settings.options = way.order, way.options
    loaded = settings()
    assert loaded.model_dump() == way.values
    SECRETS.update(dict.fromkeys(way.secrets, "9"))
    if name.startswith("all: the"):
        loaded.__init__()
        assert loaded.model_dump() == {"foo": "9", "bar": 9}
        loaded = asyncio.run(asyncio.to_thread(settings))
        assert loaded.model_dump() == {"foo": "9", "bar": 9}


def test_report_of_the_sources_hides_secrets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    caplog.set_level("DEBUG", "pydantic_settings")
    SECRETS.update({"key": CANARY, "sub": f'{{"user": "{CANARY}"}}'})
    make("Debugged", key=marked(str), sub=marked(Account))()
    assert "StrongroomSource: {'key': [REDACTED], 'sub': [REDACTED]}" in caplog.text
    assert CANARY not in caplog.text


def test_example_of_the_how_to_page_works(
    vault: MemoryApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP__HOST", "mail.example")
    for name in ("jwt-secret", "partner-key", "smtp/password"):
        vault.put(name, f"{CANARY} {name}")
    page = (ROOT / "docs/howto/Pydantic_Settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"__name__": __name__}
    code = compile(example, "example", "exec", dont_inherit=True)
    exec(code, names)  # noqa: S102 (the page is in this repository)
    loaded = names["Settings"]()
    assert loaded.smtp.host == "mail.example"
    assert loaded.smtp.password.get_secret_value() == f"{CANARY} smtp/password"
    assert loaded.api_key.get_secret_value() == f"{CANARY} partner-key"
    assert CANARY not in repr(loaded)


def test_source_reads_from_the_server_by_default(vault: MemoryApplication) -> None:
    vault.put("part/key", "first")
    vault.put("part/key", CANARY)

    class Part(BaseModel):
        key: MARKED
        old: Annotated[str, FromStrongroom("part/key", version=1)]
        value: Annotated[str, FromStrongroom("part/key", field="value")]

    class Plain(BaseSettings):
        part: Part

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (StrongroomSource(settings_cls),)

    plain: Any = Plain()
    assert plain.part.model_dump() == {"key": CANARY, "old": "first", "value": CANARY}
