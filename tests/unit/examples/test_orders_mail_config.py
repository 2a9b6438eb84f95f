"""Config model of the mail worker, and the template that renders it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.compiler.template_compiler import compile_file
from agent.compiler.template_context import TemplateContext
from app_integration import redaction
from app_integration.config.loader import load_config
from app_integration.names import Environment, Scope
from examples.orders_mail.config import WorkerConfig
from vault.declare.load import TEMPLATES, load

DOCUMENT: dict[str, Any] = {
    "database": {"url": "postgresql+psycopg://127.0.0.1/unused-database"},
    "queue": {"url": "redis://:unused-queue-password@127.0.0.1:1/0"},
    "smtp": {"host": "mail", "port": 25, "username": "shop", "password": "unused-mail-password"},
}


def changed(section: str, **values: object) -> dict[str, Any]:
    return {**DOCUMENT, section: {**DOCUMENT[section], **values}}


def test_config_registers_its_secrets_for_redaction() -> None:
    config = WorkerConfig.model_validate(DOCUMENT)
    assert redaction.live.scrub("unused-mail-password") == "[REDACTED]"
    assert "unused" not in repr(config)


@pytest.mark.parametrize(
    "document",
    [
        changed("smtp", port=0),
        changed("smtp", host=""),
        changed("queue", url=""),
        changed("database", user="shop"),
        {**DOCUMENT, "debug": True},
        {key: value for key, value in DOCUMENT.items() if key != "queue"},
    ],
    ids=["port 0", "no host", "no URL", "unknown key", "unknown section", "missing section"],
)
def test_invalid_document_is_rejected(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WorkerConfig.model_validate(document)


def test_repository_template_renders_a_valid_config(tmp_path: Path) -> None:
    service = load().service("orders-mail")
    assert service.config is not None
    compiled = compile_file(
        TEMPLATES / "orders-mail" / service.config.template,
        TemplateContext(
            scope=Scope("orders-mail", Environment.DEV),
            secrets=service.secrets,
            settings={"smtp-host": "mail.example.com", "smtp-port": 587, "smtp-username": "shop"},
        ),
    )
    path = tmp_path / service.config.file
    path.touch(mode=0o600)
    path.write_text(compiled.preview)
    assert load_config(WorkerConfig, path).smtp.host == "mail.example.com"
