from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from tests.unit.vault.conftest import BASE
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.secret_sources import ALPHABETS, Derived, Generated, Given
from vault.declare.yaml import document

STORE = Scope("gaara-store", Environment.DEV)
SHOP = Scope("shop", Environment.DEV)


@pytest.fixture
def shop() -> Declaration:
    return load.load(BASE, BASE / "templates")


def test_store_declaration_is_valid_in_every_environment() -> None:
    declaration = load.load()
    assert sorted(declaration.environments) == ["dev", "prod", "staging"]
    for environment in declaration.environments:
        assert Scope("gaara-store", environment) in declaration.scopes(environment)
    secrets = declaration.secrets(STORE)
    assert isinstance(secrets["jwt-secret"], Generated)
    assert secrets["jwt-secret"].length == 48
    assert isinstance(secrets["redis-url"], Given)


def test_store_audit_key_allows_encrypt_only() -> None:
    keys = load.load().service("gaara-store").keys
    allowed = {name: key.allow for name, key in keys.items()}
    both = ("encrypt", "decrypt")
    assert allowed == {"pii": both, "index": both, "audit": ("encrypt",)}


def test_config_file_has_name_and_format_of_its_template() -> None:
    config = load.load().service("gaara-store").config
    assert config is not None
    assert (config.file, config.format) == ("app.yaml", "yaml")


def test_model_is_imported_from_the_project_by_its_virtual_environment() -> None:
    declaration = load.load()
    config = declaration.service("gaara-store").config
    assert config is not None
    assert config.folder(declaration.project) == Path(load.__file__).parents[2]
    assert config.interpreter(declaration.project) == load.PROJECT / ".venv" / "bin" / "python"


@pytest.mark.parametrize(
    ("keys", "folder", "python"),
    [
        (["path: src"], "/srv/team/src", "/srv/team/src/.venv/bin/python"),
        (["path: ../shop"], "/srv/team/../shop", "/srv/team/../shop/.venv/bin/python"),
        (["python: ../venv/bin/python"], "/srv/team", "/srv/team/../venv/bin/python"),
        (["path: /srv/shop", "python: bin/python"], "/srv/shop", "/srv/shop/bin/python"),
        (["path: src", "python: /opt/python"], "/srv/team/src", "/opt/python"),
    ],
)
def test_paths_of_a_model_are_relative_to_the_project_and_to_each_other(
    root: Path, keys: list[str], folder: str, python: str
) -> None:
    service = root / "services" / "shop.yaml"
    lines = "".join(f"  {key}\n" for key in keys)
    service.write_text(service.read_text().replace("  model:", f"{lines}  model:"))
    declaration = load.load(root, root / "templates", project=Path("/srv/team"))
    config = declaration.service("shop").config
    assert config is not None
    assert config.folder(declaration.project) == Path(folder)
    assert config.interpreter(declaration.project) == Path(python)


def test_relative_project_is_that_of_the_current_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert load.load(root, root / "templates", project=Path()).project == root


def test_interpreter_of_all_services_replaces_the_declared_ones(root: Path) -> None:
    service = root / "services" / "shop.yaml"
    service.write_text(service.read_text().replace("  model:", "  path: elsewhere\n  model:"))
    declaration = load.load(root, root / "templates", project=Path("/opt/repository"))
    declaration = declaration.with_config(
        declaration.services, {"path": "/opt/app", "python": "/bin/python3"}
    )
    config = declaration.service("shop").config
    assert config is not None
    assert config.folder(declaration.project) == Path("/opt/app")
    assert config.interpreter(declaration.project) == Path("/bin/python3")
    assert config.model == "shop.config:Config"


def test_setting_is_the_default_unless_the_environment_overrides_it() -> None:
    declaration = load.load()
    dev = declaration.settings(STORE)
    prod = declaration.settings(Scope("gaara-store", Environment.PROD))
    assert (dev["smtp-port"], prod["smtp-port"]) == (11025, 587)
    assert (dev["smtp-username"], prod["smtp-username"]) == ("gaara-store", "gaara-store")


def test_each_alphabet_gives_128_bits_at_the_minimum_length() -> None:
    assert all(len(set(characters)) ** 32 >= 2**128 for characters in ALPHABETS.values())


def test_references_of_a_derived_secret_are_its_parts(shop: Declaration) -> None:
    source = shop.service("shop").secrets["mail-url"]
    assert isinstance(source, Derived)
    assert source.references == ("mail-password",)


def test_secrets_contain_only_those_of_the_environment(root: Path) -> None:
    service = root / "services" / "shop.yaml"
    text = service.read_text().replace("rotate_every: 90d}", "environments: [prod]}", 1)
    service.write_text(text)
    declaration = load.load(root, root / "templates")
    assert "token" not in declaration.secrets(SHOP)
    assert "token" in declaration.secrets(Scope("shop", Environment.PROD))


def test_unknown_name_is_rejected_with_a_suggestion(shop: Declaration) -> None:
    with pytest.raises(ConfigurationError, match=r"'shpo' is declared \(expected shop; did you"):
        shop.service("shpo")
    with pytest.raises(ConfigurationError, match="expected dev or prod"):
        shop.environment("staging")
    with pytest.raises(ConfigurationError, match="no service in dev 'store' is declared"):
        shop.deployment(Scope("store", Environment.DEV))


def test_copy_with_other_addresses_leaves_the_original_unchanged(shop: Declaration) -> None:
    local = shop.with_vault("dev", "http://127.0.0.1:9999/").with_deployment(
        SHOP, database=Endpoint("127.0.0.1", 5555), settings={"mail-port": 2525}
    )
    assert local.environment("dev").vault.address == "http://127.0.0.1:9999"
    assert str(local.deployment(SHOP).database) == "127.0.0.1:5555"
    expected = {"mail-host": "127.0.0.1", "mail-port": 2525, "tls": True}
    assert local.settings(SHOP) == expected
    assert shop.settings(SHOP)["mail-port"] == 25
    assert shop.environment("dev").vault.address == "http://127.0.0.1:8200"


def test_copy_with_an_invalid_value_is_rejected(shop: Declaration) -> None:
    with pytest.raises(ConfigurationError, match=r"expected https:// in prod"):
        shop.with_vault("prod", "http://127.0.0.1:8200")
    with pytest.raises(ConfigurationError, match="is not an address"):
        shop.with_vault("dev", "127.0.0.1:8200")
    with pytest.raises(ConfigurationError, match="did you mean 'mail-port'"):
        shop.with_deployment(SHOP, settings={"mail-prot": 25})
    with pytest.raises(ConfigurationError, match="expected a whole number"):
        shop.with_deployment(SHOP, settings={"mail-port": True})


def test_ipv6_endpoint_is_accepted(root: Path) -> None:
    path = root / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace("127.0.0.1:5432", '"[::1]:5432"'))
    endpoint = load.load(root, root / "templates").deployment(SHOP).database
    assert endpoint == Endpoint("::1", 5432)
    assert str(endpoint) == "[::1]:5432"


def test_file_is_parsed_again_only_after_a_change(root: Path) -> None:
    def misses() -> int:
        return document.read.cache_info().misses

    load.load(root, root / "templates")
    before = misses()
    load.load(root, root / "templates")
    assert misses() == before
    file = root / "services" / "shop.yaml"
    file.write_text(f"# another\n{file.read_text()}")
    load.load(root, root / "templates")
    assert misses() == before + 1


def test_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"environments: contains no declaration \(expected"):
        load.load(tmp_path)


def test_declaration_without_a_service_is_valid(root: Path) -> None:
    shutil.rmtree(root / "services")
    for path in (root / "environments").glob("*.yaml"):
        text, _, _ = path.read_text().partition("services:")
        path.write_text(f"{text}services: {{}}\n")
    assert load.load(root).services == {}


def test_unreadable_file_is_reported(root: Path) -> None:
    (root / "services" / "folder.yaml").mkdir()
    with pytest.raises(
        DeclarationError, match=r"services/\S+\.yaml: the file is a folder, a pipe or a device"
    ):
        load.load(root)


def test_crlf_and_byte_order_mark_are_accepted(root: Path) -> None:
    path = root / "services" / "shop.yaml"
    text = path.read_text().replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load.load(root, root / "templates").service("shop").owner == "shop-team"


SNIPPETS = st.sampled_from(
    ["", "{", "}", "[", "]", ":", ": ", "\n", "  ", "\t", "#", "'", '"', "&a ", "*a", "!t ", "? ",
     "- ", "|", ">", "~", "\x00", "\x85", "\ud7ff", "<<: ", "---\n", "%YAML 1.1\n", "1e5", ".inf",
     "0x", "source", "dev", "null", "{a}"]
)  # fmt: skip


@settings(max_examples=60)
@given(place=st.integers(0, 700), gone=st.integers(0, 12), snippet=SNIPPETS)
def test_damaged_file_is_accepted_or_raises_declaration_error(
    place: int, gone: int, snippet: str
) -> None:
    files = load.read(BASE)
    (path,) = files.services
    text = files.services[path].decode()
    damaged = (text[:place] + snippet + text[place + gone :]).encode()
    try:
        load.check(replace(files, services={path: damaged}), BASE / "templates")
    except DeclarationError as error:
        lines = (fault.line for fault in error.errors if fault.file.endswith(path.name))
        last_line = max(lines, default=0)
    else:
        last_line = 0
    assert last_line <= len(damaged.decode().splitlines()) + 1
