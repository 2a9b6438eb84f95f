"""Pages of the site: the documents of the whole repository, under their paths in it.

So a link between two documents is the same on the repository's web page and on the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

INDEX: Final = "docs/README.md"
PICTURES: Final = "docs/pictures/*"
PAGES: Final = ("*.md", "docs/*.md", "docs/*/*.md", "examples/*/README.md")
#: A role of a docstring, which the reference shows as code without it.
_ROLE: Final = re.compile(r":(?:attr|class|data|exc|func|meth|mod):(<code>)[.~]*")
#: Picture in two themes. The repository's web page takes HTML, and the site Markdown.
_PICTURE: Final = re.compile(
    r'<picture>\s*<source [^>]*srcset="(?P<dark>[^"]+)">\s*'
    r'<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)">\s*</picture>'
)
_ENTRY: Final = re.compile(
    r"^(?P<level>##+) (?P<group>.+)$|^- \[(?P<title>.+?)\]\((?P<path>\S+)\)", re.MULTILINE
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the list of all documents, and set how anchors are made."""
    root = Path(config.config_file_path).parent
    config.nav = [{config.site_name: "README.md"}, {"All documents": INDEX}]
    groups = [config.nav]  # those that the next entry is in, the outermost first
    for found in _ENTRY.finditer((root / INDEX).read_text(encoding="utf-8")):
        if found["group"]:
            del groups[len(found["level"]) - 1 :]
            groups.append([])
            groups[-2].append({found["group"]: groups[-1]})
        else:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(INDEX), found["path"]))
            groups[-1].append({found["title"]: path})
    config.mdx_configs["toc"]["slugify"] = anchor
    return config


def anchor(heading: str, separator: str) -> str:
    """Return the anchor that the repository's web page gives a heading, also with ``<name>``."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", separator)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Replace the pages below docs by those of the repository, and add the pictures."""
    for page in files.documentation_pages():
        files.remove(page)
    root = str(Path(config.config_file_path).parent)
    for path in _paths(Path(root)):
        files.append(File(path, root, config.site_dir, config.use_directory_urls))
    return files


def _paths(root: Path) -> list[str]:
    found = (path for pattern in (*PAGES, PICTURES) for path in sorted(root.glob(pattern)))
    return [path.relative_to(root).as_posix() for path in found]


def on_page_markdown(markdown: str, **_: object) -> str:
    """Let a picture follow the theme of the site, and its links be checked as any other."""
    images = r"![\g<alt>](\g<light>#only-light)![\g<alt>](\g<dark>#only-dark)"
    return _PICTURE.sub(images, markdown)


def on_page_content(html: str, **_: object) -> str:
    """Remove the roles of docstrings."""
    return _ROLE.sub(r"\1", html)
