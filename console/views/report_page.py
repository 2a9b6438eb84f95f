"""HTML file of a report: self-contained, without a script or a request to a server."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from console.views.cells import show_time
from console.views.charts import HEIGHT, build_bars, build_timelines
from console.views.escapes import escape_unprintable
from console.views.report import coverage_lines
from console.views.report_tables import report_tables
from console.views.web import create_environment, read_theme

#: Rows of a table of the page.
MAX_ROWS: Final = 300
#: Rows of a table that are not folded.
OPEN_ROWS: Final = 20
_FOLDER: Final = Path(__file__).parent
_TOTALS: Final = ("requests", "reads", "logins", "actors", "denied", "failed", "absent")


def render_page(document: Mapping[str, Any]) -> str:
    """Return the HTML file of a report."""
    style = read_theme() + (_FOLDER / "page.css").read_text(encoding="utf-8")
    template = create_environment(_FOLDER).get_template("page.html.j2")
    return template.render(
        document=document,
        style=style,
        policy=f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; "
        "form-action 'none'",
        totals=[(name, document["totals"][name]) for name in _TOTALS],
        coverage=[escape_unprintable(line) for line in coverage_lines(document)],
        timelines=build_timelines(document),
        height=HEIGHT,
        bars=build_bars(document),
        tables=report_tables(document),
        most=MAX_ROWS,
        open=OPEN_ROWS,
        since=show_time(document["since"]),
        until=show_time(document["until"]),
    )


def _hash(style: str) -> str:
    digest = hashlib.sha256(style.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
