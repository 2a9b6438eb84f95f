"""Tests of the exact messages for templates with one fault each."""

from pathlib import Path

import pytest

from agent.compiler.errors import TemplateRejected
from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from app_integration.names import Environment, Scope

FOLDER = Path(__file__).parent / "templates"
TEMPLATES = sorted(FOLDER.glob("*.j2"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_fault_is_reported_with_place_and_hint(template: Path) -> None:
    expected = template.with_suffix(".expected").read_text().rstrip("\n")
    with pytest.raises(TemplateRejected) as caught:
        compile_text(
            template.read_text(),
            template.name,
            TemplateContext(
                scope=Scope("gaara-store", Environment.DEV),
                secrets=["redis-url", "jwt-secret", "smtp-password"],
                settings={"smtp-host": "mail.example.com", "smtp-port": 25},
            ),
        )
    assert str(caught.value) == expected


def test_each_expected_message_belongs_to_a_template() -> None:
    expected = {path.with_suffix(".j2") for path in FOLDER.glob("*.expected")}
    assert expected == set(TEMPLATES)
    assert len(TEMPLATES) >= 40
