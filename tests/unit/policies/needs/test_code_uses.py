"""Uses of secrets, keys and roles that are found in code, and what is said of names not known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from app_integration.errors import ConfigurationError
from policies.needs.code_uses import Use, find_uses
from policies.needs.sdk_names import Kind

SDK: Final = "from app_integration import get_secret, encrypt_field, database_engine, require\n"
LEASE: Final = "database role default"
SETTINGS: Final = "from typing import Annotated\nfrom pydantic_settings import BaseSettings\n"
MARKED: Final = (
    f"{SETTINGS}from app_integration.integrations.pydantic_settings import FromStrongroom\n"
    "class Settings(BaseSettings):\n"
)
ENGINE: Final = "app_integration.integrations.django.postgresql"

#: What is written → code, and the uses that are found.
CODE: Final = {
    "text": ('get_secret("api-key")', ["secret api-key"]),
    "keyword": ('get_secret(name="api-key")', ["secret api-key"]),
    "several": ('require(["a", "b"])', ["secret a", "secret b"]),
    "constant": ('KEY = "api-key"\nget_secret(KEY)', ["secret api-key"]),
    "constant of a class": ('class C:\n    KEY = "k"\nget_secret(C.KEY)', ["secret k"]),
    "names in a constant": (
        'ALL = ("a", "b")\nrequire([*ALL, "c"])',
        [f"secret {n}" for n in "abc"],
    ),
    "one of two": ('get_secret("a" if x else "b")', ["secret a", "secret b"]),
    "known part": ('get_secret(f"mail-{kind}")', ["secret mail-*"]),
    "sum": ('P = "mail-"\nget_secret(P + "password")', ["secret mail-password"]),
    "sum of unknown": ("get_secret(a + b)", ["secret *"]),
    "dynamic": ("get_secret(read())", ["secret *"]),
    "bound twice": ('K = "a"\nK = "b"\nget_secret(K)', ["secret *"]),
    "argument of the same name": ('K = "a"\ndef f(K): return get_secret(K)', ["secret *"]),
    "name for itself": ("A = B\nB = A\nget_secret(A)", ["secret *"]),
    "passed on": ("load = partial(get_secret, 'a')", ["secret *"]),
    "alias": ("read = get_secret\nread('a')", ["secret *", "secret a"]),
    "another function": ("def get_secret(x): ...\nget_secret('a')", []),
    "key by default": ("encrypt_field(x)", ["key pii"]),
    "key": ('encrypt_field(x, key="mail")', ["key mail"]),
    "options": ("encrypt_field(x, **options)", ["key *"]),
    "leased role": ("database_engine()", [LEASE, "secret database-url"]),
    "role by position": (
        "database_engine('report')",
        ["database role report", "secret database-url"],
    ),
    "secret of a user": ("database_engine(secret='db')", ["secret db"]),
    "file of a user": ("database_engine(url='u', credentials='f')", []),
    "no secret": ("database_engine(url='u', secret=None)", [LEASE]),
}


def spell(use: Use) -> str:
    return f"{use.kind.value} {use.name}"


def uses_of(folder: Path, code: str, name: str = "app.py") -> list[str]:
    (folder / name).write_text(code)
    return sorted(map(spell, find_uses(folder)))


@pytest.mark.parametrize("case", CODE)
def test_uses_of_code(tmp_path: Path, case: str) -> None:
    code, expected = CODE[case]
    assert uses_of(tmp_path, SDK + code) == sorted(expected)


def test_place_and_text_say_where_a_name_is(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(f"{SDK}\nget_secret(\n    'a')\n")

    (use,) = find_uses(tmp_path)

    assert use == Use(
        Kind.SECRET, "a", ("read-secret",), True, f"{tmp_path}/app.py:3", "get_secret()"
    )


@pytest.mark.parametrize(
    "code",
    [
        "import app_integration\napp_integration.get_secret('a')",
        "import app_integration as vault\nvault.get_secret('a')",
        "from app_integration import get_secret as read\nread('a')",
        "def f():\n    from app_integration import get_secret\n    return get_secret('a')",
        "from app_integration._api.secrets import get_secret\nget_secret('a')",
        "async def f():\n    from app_integration import aget_secret\n    await aget_secret('a')",
    ],
)
def test_import_may_have_any_form(tmp_path: Path, code: str) -> None:
    assert uses_of(tmp_path, code) == ["secret a"]


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("from shop.names import KEY\nget_secret(KEY)", "shop"),
        ("from shop import names\nget_secret(names.KEY)", "shop"),
        ("import shop.names\nget_secret(shop.names.KEY)", "shop"),
        ("from .names import KEY\nget_secret(KEY)", "src/shop"),
        ("from . import names\nget_secret(names.KEY)", "src/shop"),
        ("from shop.names import KEY as K\nget_secret(K)", "src/shop"),
    ],
)
def test_constant_of_another_module_is_known(tmp_path: Path, line: str, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / folder / "names.py").write_text('KEY = "api-key"\n')
    (tmp_path / folder / "app.py").write_text(SDK + line)

    assert list(map(spell, find_uses(tmp_path))) == ["secret api-key"]


def test_function_that_another_module_exports_is_that_of_the_sdk(tmp_path: Path) -> None:
    (tmp_path / "vault.py").write_text("from app_integration import get_secret\n")

    assert uses_of(tmp_path, "import vault\nvault.get_secret('a')") == ["secret a"]


def test_module_of_a_name_that_two_have_is_not_known(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "names.py").write_text(f'KEY = "{folder}"\n')

    code = f"{SDK}from names import KEY\nget_secret(KEY)"
    assert uses_of(tmp_path, code) == ["secret *"]


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("key: Annotated[str, FromStrongroom('api-key')]", "secret api-key"),
        ("API_KEY: Annotated[str, FromStrongroom()]", "secret *api-key"),
        ("key: Annotated[str, FromStrongroom(), Field(alias='k')]", "secret *"),
    ],
)
def test_field_of_pydantic_settings_names_a_secret(tmp_path: Path, field: str, found: str) -> None:
    assert uses_of(tmp_path, f"{MARKED}    {field}\n") == [found]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("", [LEASE, "secret database-url"]),
        (", 'OPTIONS': {'role': 'report'}", ["database role report", "secret database-url"]),
        (", 'OPTIONS': {'secret': 'db'}", ["secret db"]),
    ],
)
def test_database_of_django_uses_a_role_or_a_secret(
    tmp_path: Path, options: str, found: list[str]
) -> None:
    settings = f"DATABASES = {{'default': {{'ENGINE': '{ENGINE}'{options}}}}}"
    assert uses_of(tmp_path, settings, "settings.py") == found


def test_client_may_use_anything(tmp_path: Path) -> None:
    everything = sorted(f"{kind.value} *" for kind in Kind)

    for code in (
        "from app_integration.client import Client",
        f"{SDK}import app_integration.client",
    ):
        assert set(uses_of(tmp_path, code)) >= set(everything)
    assert uses_of(tmp_path, "import app_integration\napp_integration.hvac_client()") == everything


def test_tables_of_keys_may_not_use_anything(tmp_path: Path) -> None:
    code = "from app_integration.encryption.data_keys.stores import PostgresKeyStore"
    assert uses_of(tmp_path, code) == []


def test_script_that_runs_a_program_may_read_each_secret(tmp_path: Path) -> None:
    script = "#!/bin/sh\nexec python -m app_integration run -- gunicorn app\n"
    assert uses_of(tmp_path, script, "start.sh") == ["secret *"]


@pytest.mark.parametrize(
    "place", ["tests/app.py", ".cache/app.py", "test_app.py", "conftest.py", "venv/lib/app.py"]
)
def test_tests_and_installed_packages_are_no_code_of_the_service(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text(f"{SDK}get_secret('a')")

    assert find_uses(tmp_path) == []


def test_files_that_no_code_is_in_are_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "picture.py").write_bytes(b"\xff\x00")
    with (tmp_path / "large.py").open("wb") as file:
        file.truncate(1 << 40)

    assert find_uses(tmp_path) == []


def test_file_that_is_not_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"app\.py:2: is not Python"):
        uses_of(tmp_path, "x = 1\nx = (")
