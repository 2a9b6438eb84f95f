"""Model of the store's delivered config."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.compiler.template_compiler import compile_file
from agent.compiler.template_context import TemplateContext
from app_integration.config.loader import load_config
from app_integration.errors import ConfigRejected
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from examples.gaara_store.config import StoreConfig
from tests.support.servers.store_parts import DOCUMENT, deliver
from vault.declare.load import TEMPLATES, load

SECRETS = (
    DOCUMENT["database"]["url"],
    DOCUMENT["redis"]["url"],
    DOCUMENT["jwt"]["secret"],
    DOCUMENT["smtp"]["password"],
)


def changed(section: str, **values: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document[section] |= values
    return document


def test_config_repr_and_dump_show_no_secret() -> None:
    config = StoreConfig.model_validate(DOCUMENT)
    shown = f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"
    assert "gaara-store" in shown
    assert [secret for secret in SECRETS if secret in shown] == []


def test_config_registers_its_secrets_for_redaction() -> None:
    StoreConfig.model_validate(DOCUMENT)
    assert redaction.live.scrub(" ".join(SECRETS)) == " ".join(["[REDACTED]"] * 4)


INVALID = {
    "short signing key": changed("jwt", secret="x" * 31),
    "misspelt key": changed("jwt", secrets="x" * 32),
    "port 0": changed("smtp", port=0),
    "no host": changed("smtp", host=""),
    "no URL": changed("redis", url=""),
    "unknown section": {**DOCUMENT, "debug": True},
    "missing section": {key: value for key, value in DOCUMENT.items() if key != "database"},
}


@pytest.mark.parametrize("document", INVALID.values(), ids=INVALID)
def test_invalid_document_is_rejected(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StoreConfig.model_validate(document)


def test_load_config_error_names_the_field_and_not_the_value(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    deliver(changed("jwt", secret="too-short-canary"), path)
    with pytest.raises(ConfigRejected, match=r"jwt\.secret \(too_short\)") as refused:
        load_config(StoreConfig, path)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("environment", sorted(load().environments))
def test_repository_template_renders_a_valid_config(
    environment: Environment, tmp_path: Path
) -> None:
    declaration, scope = load(), Scope("gaara-store", environment)
    compiled = compile_file(
        TEMPLATES / "gaara-store" / "app.yaml.j2",
        TemplateContext(
            scope=scope, secrets=declaration.secrets(scope), settings=declaration.settings(scope)
        ),
    )
    path = tmp_path / "app.yaml"
    path.touch(mode=0o600)
    path.write_text(compiled.preview)
    assert load_config(StoreConfig, path).smtp.username == "gaara-store"
