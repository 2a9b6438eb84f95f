"""Pages of the site: the documents of the whole repository, under their paths in it.

So a link between two documents is the same on the repository's web page and on the site.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DECISIONS: Final = "docs/adr/[0-9]*.md"
PAGES: Final = (
    "*.md",
    "docs/*.md",
    "docs/howto/*.md",
    "docs/adr/README.md",
    DECISIONS,
    "examples/*/README.md",
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add every decision to the navigation."""
    for entry in config.nav or []:
        entry.get("Decisions", []).extend(_paths(config, DECISIONS))
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Replace the pages below docs by those of the repository."""
    for page in files.documentation_pages():
        files.remove(page)
    root = str(Path(config.config_file_path).parent)
    for path in _paths(config, *PAGES):
        files.append(File(path, root, config.site_dir, config.use_directory_urls))
    return files


def _paths(config: MkDocsConfig, *patterns: str) -> list[str]:
    root = Path(config.config_file_path).parent
    found = (path for pattern in patterns for path in sorted(root.glob(pattern)))
    return [path.relative_to(root).as_posix() for path in found]
