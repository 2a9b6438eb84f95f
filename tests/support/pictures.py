"""Pictures of the documents, each of a real run: ``make pictures`` writes them to docs/pictures.

A terminal is an SVG, which has a dark background of its own. A page is a PNG in each theme. The
run takes the default ports, so that the pictures show these.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import requests
from playwright.sync_api import Browser
from rich.console import Console
from rich.text import Text

from local.ports import HOST, MonitoringPorts
from tests.support.page_browser import THEMES, PageBrowser, open_browser
from tests.support.polling import wait_until

ROOT: Final = Path(__file__).parents[2]
PICTURES: Final = ROOT / "docs" / "pictures"
COLUMNS: Final = 96  # of a terminal
WIDTH: Final = 1060  # of a page; wider, its text would be too small in a document
MARGIN: Final = 24  # below the last element of a page
ALERTMANAGER: Final = f"http://{HOST}:{MonitoringPorts().alertmanager}"
#: Fonts of another host, which no document may load.
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
#: Without a width and height of its own, a browser shows a picture 150 pixels high.
_SIZE: Final = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
#: Of no account.
ENV_FILE: Final = """\
DATABASE_URL=postgresql://ada:x7Kq-b4c9d2@db.parcels.internal:5432/tracking
CARRIER_TOKEN=tok_9f8e7d6c5b4a3f2e1d
SESSION_KEY=0123456789abcdef0123456789abcdef
PAGE_SIZE=25
"""
IMPORT: Final = (
    *("import-env", "../parcels-code/tracking/.env", "--service", "tracking", "--create"),
    *("--owner", "ada@example.com", "--description", "Tells where a parcel is"),
)


@dataclass(frozen=True)
class Team:
    """A team with the code of a service, and the repository in which it runs commands."""

    home: Path

    @property
    def repository(self) -> Path:
        return self.home / "parcels"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        variables = {"HOME": str(self.home), "PYTHONPATH": str(ROOT), "FORCE_COLOR": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "console", *arguments],
            cwd=self.repository,
            env={"PATH": os.environ["PATH"], "COLUMNS": str(COLUMNS), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Return what the command prints, with the home folder as a user would write it."""
        process = self.start(*arguments)
        output = process.communicate()[0]
        if process.returncode:
            raise SystemExit(f"strongroom {shlex.join(arguments)}:\n{output}")
        return output.replace(str(self.home), "~")


@contextmanager
def new_team() -> Iterator[Team]:
    """Yield a team with a ``.env`` file to import. Its servers stop at the end."""
    with TemporaryDirectory() as name:
        team = Team(Path(name).resolve())
        team.repository.mkdir()
        code = team.home / "parcels-code" / "tracking"
        code.mkdir(parents=True)
        (code / ".env").write_text(ENV_FILE, encoding="utf-8")
        team.run("init", ".", "--owner", "ada@example.com")
        try:
            yield team
        finally:
            team.run("monitoring", "down")
            team.run("reset", "--yes")


def draw_terminal(name: str, team: Team, *arguments: str) -> None:
    """Run a command, and write the picture of its terminal."""
    output = team.run(*arguments)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    prompt = ("~/parcels $ ", "bold green")
    console.print(Text.assemble(prompt, (f"strongroom {shlex.join(arguments)}", "bold")))
    console.print(Text.from_ansi(output.rstrip("\n")), Text(*prompt), sep="\n")
    svg = console.export_svg(title="~/parcels", unique_id=name)
    svg = _SIZE.sub(r'\g<0> width="\1" height="\2"', _FONTS.sub("", svg), count=1)
    lines = (line.rstrip() for line in svg.splitlines())
    (PICTURES / f"{name}.svg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw_page(name: str, page: PageBrowser, path: str, last: str) -> None:
    """Write the pictures of a page, down to the last element that the selector *last* finds."""
    with page.open(path) as view:
        view.set_viewport_size({"width": WIDTH, "height": WIDTH})
        for theme in THEMES:
            view.emulate_media(color_scheme=theme)
            box = view.locator(last).last.bounding_box()
            assert box is not None, f"{path} has no {last}"
            view.screenshot(
                path=PICTURES / f"{name}-{theme}.png",
                clip={"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + MARGIN},
                full_page=True,
            )


@contextmanager
def open_console(team: Team, browser: Browser) -> Iterator[PageBrowser]:
    """Yield a browser on the operator's page."""
    process = team.start("console", "--env", "dev", "--alertmanager", ALERTMANAGER)
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        page = PageBrowser(browser, found[0].partition("/open/")[0], PICTURES)
        page.enter(found[0])
        yield page
    finally:
        process.terminate()
        process.communicate()


def main() -> None:
    """Write all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with new_team() as team, open_browser() as browser:
        draw_terminal("import-env", team, *IMPORT)
        team.run("down")
        draw_terminal("up", team, "up")
        for _ in range(3):
            team.run("run", "--", sys.executable, "-c", "")
        report = team.home / "report.html"
        team.run("audit", "report", "--env", "dev", "--html", str(report))
        draw_page("report", PageBrowser(browser, "file://", PICTURES), str(report), ".charts")
        team.run("monitoring", "up")
        alerts = f"{ALERTMANAGER}/api/v2/alerts"
        wait_until(lambda: requests.get(alerts, timeout=5).json(), "alert of a new deployment")
        with open_console(team, browser) as page:
            draw_page("page", page, "/", "main section")
            draw_page("alerts", page, "/alerts", "main article")


if __name__ == "__main__":
    main()
