"""Pages of the reference have the keys of the schemas, and examples that can be used."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from ruamel.yaml import YAML

from console.commands.every_day.declaration_check import check_repository
from tests.support import key_reference
from vault.declare import repository, repository_root
from vault.declare.file_kind import Kind

PAGES: Final = sorted({page for page, _ in key_reference.PLACES.values()})
#: Files of a small declaration, for what the examples name: a certificate and a public key.
BASE: Final = Path(__file__).parents[3] / "faults" / "declare" / "base" / "environments"
#: Kind of file → where an example of it is in a repository, by its first key.
FOLDERS: Final = {
    Kind.SERVICE: "services/{service}.yaml",
    Kind.ENVIRONMENT: "environments/{environment}.yaml",
    Kind.POLICY_TESTS: "policies/tracking.tests.yaml",
    Kind.ANOMALIES: "anomalies.yaml",
    Kind.MONITORING: "monitoring.yaml",
    Kind.ROLLOUT: "rollout.yaml",
}


@pytest.mark.parametrize("page", PAGES)
def test_page_has_the_current_keys(page: str) -> None:
    assert key_reference.render(page) == key_reference.read_page(page), (
        f"docs/reference/{page} is out of date: run {key_reference.COMMAND}"
    )


@pytest.mark.parametrize("page", PAGES)
def test_each_heading_of_a_page_has_an_anchor_of_its_own(page: str) -> None:
    headings = re.findall(r"^##+ (.+)$", key_reference.read_page(page), re.MULTILINE)
    anchors = Counter(map(key_reference.anchor, headings))
    assert [name for name, count in anchors.items() if count > 1] == []


def test_examples_are_a_repository_without_an_error(tmp_path: Path) -> None:
    (tmp_path / "templates" / "tracking").mkdir(parents=True)
    (tmp_path / "templates" / "tracking" / "app.yaml.j2").write_text("a: b\n", encoding="utf-8")
    (tmp_path / repository_root.FILE).write_text("format: 1\n", encoding="utf-8")
    for kind, name in FOLDERS.items():
        for text in key_reference.examples(kind):
            data = YAML(typ="safe", pure=True).load(text)
            path = tmp_path / name.format_map(data)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            for pem in re.findall(r"[\w-]+\.pem\b", text) if kind is Kind.ENVIRONMENT else ():
                source = "ca.pem" if pem.endswith("ca.pem") else "ci.pem"
                shutil.copy(BASE / source, path.parent / pem)
    assert check_repository(repository.read(tmp_path)) == ((), ())
