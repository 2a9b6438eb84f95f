"""The documents as a site: strict about links, and the same as on the repository's web page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from markdown_it import MarkdownIt
from mkdocs.structure.files import File

from tests.support.page_browser import THEMES

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = [
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "examples/*/README.md")
    for path in sorted(ROOT.glob(pattern))
]
BLOCKS: Final = {"blockquote", "h1", "h2", "h3", "li", "ol", "pre", "table", "td", "tr", "ul"}
#: Link in a document → what the build says of it.
BROKEN: Final = {
    "Nothing.md": "the target 'docs/Nothing.md' is not found",
    "Testing.md#nothing": "does not contain an anchor '#nothing'",
    "#nothing": "there is no such anchor on this page",
    "/docs/Testing.md": "an absolute link",
    "../console/cli.py": "the target 'console/cli.py' is not found",
}
#: Picture whose files are missing.
PICTURE: Final = """
<picture>
  <source media="(prefers-color-scheme: dark)" srcset="pictures/none-dark.png">
  <img alt="None" src="pictures/none-light.png">
</picture>
"""
MISSING: Final = [f"the target 'docs/pictures/none-{theme}.png' is not found" for theme in THEMES]


class Elements(HTMLParser):
    """The elements of a page: its blocks of text, and what it loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.blocks: Counter[str] = Counter()
        self.loaded: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in BLOCKS:
            self.blocks[tag] += 1
        if tag != "a":
            self.loaded += [values[name] or "" for name in ("src", "href") if name in values]


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of the repository of *config* into *site*."""
    options = ("--config-file", str(config), "--site-dir", str(site))
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    run = build(ROOT / "mkdocs.yml", folder)
    assert run.returncode == 0, run.stdout
    return folder


def html_of(page: str, site: Path) -> str:
    return (site / File(page, None, "", use_directory_urls=True).dest_uri).read_text("utf-8")


@pytest.mark.parametrize("page", [each for each in PAGES if "/SDK" not in each])
def test_page_has_the_blocks_of_the_repositorys_web_page(page: str, site: Path) -> None:
    """Compare with CommonMark: a list that the site nests otherwise has other blocks."""
    markdown = MarkdownIt("commonmark").enable("table")
    article = html_of(page, site).partition("<article")[2].partition("</article>")[0]
    text = (ROOT / page).read_text("utf-8")
    assert Elements(article).blocks == Elements(markdown.render(text)).blocks


@pytest.mark.parametrize("page", PAGES)
def test_page_loads_nothing_from_another_host(page: str, site: Path) -> None:
    loaded = Elements(html_of(page, site)).loaded
    assert loaded
    assert [each for each in loaded if "//" in each] == []


@pytest.mark.parametrize("page", PAGES)
def test_page_has_the_pictures_of_its_document_each_in_its_theme(page: str, site: Path) -> None:
    folder = (site / File(page, None, "", use_directory_urls=True).dest_uri).parent
    loaded = [each for each in Elements(html_of(page, site)).loaded if "pictures/" in each]
    for path, _, theme in (each.partition("#") for each in loaded):
        assert (folder / path).is_file(), path
        assert theme == next((f"only-{each}" for each in THEMES if f"-{each}." in path), "")
    named = re.findall(r"pictures/([\w-]+\.(?:png|svg))", (ROOT / page).read_text("utf-8"))
    assert sorted(Path(each.partition("#")[0]).name for each in loaded) == sorted(named)


def test_broken_link_and_document_without_entry_fail_the_build(tmp_path: Path) -> None:
    for page in PAGES:
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / page).write_text("# A page without links\n", encoding="utf-8")
    for name in ("mkdocs.yml", "docs/README.md", "docs/pages.py", "docs/wide.css"):
        shutil.copy(ROOT / name, tmp_path / name)
    links = "\n".join(f"[link]({target})" for target in BROKEN)
    (tmp_path / "docs" / "added.md").write_text(f"# Added\n\n{links}\n{PICTURE}", encoding="utf-8")
    run = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert run.returncode == 1
    assert f"Aborted with {len(BROKEN) + len(MISSING) + 1} warnings" in run.stdout
    expected = ['not included in the "nav" configuration', *BROKEN.values(), *MISSING]
    assert [each for each in expected if each not in run.stdout] == []


def test_site_has_no_code(site: Path) -> None:
    assert [*site.rglob("*.py"), *site.rglob("*.pyc")] == []
