"""Browser for the operator's page: it opens views, checks them, and takes their pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, sync_playwright

AXE: Final = Path(axe_playwright_python.__file__).with_name("axe.min.js")
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
WIDTHS: Final = (1280, 400)
HEIGHT: Final = 900
#: Counts what the browser refuses, which need not be in its console.
_VIOLATIONS: Final = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (each) =>
    window.refused.push(`${each.effectiveDirective} ${each.blockedURI}`));
"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield Debian's Chromium, or skip the test if there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class PageBrowser:
    """A browser with the session of one visitor."""

    browser: Browser
    address: str
    pictures: Path
    state: StorageState | None = field(default=None, repr=False)

    def enter(self, one_time_url: str) -> None:
        """Open the one-time URL, and keep the session that it begins."""
        with self.open(one_time_url.removeprefix(self.address)) as page:
            assert page.url == f"{self.address}/"
            self.state = page.context.storage_state()

    @contextmanager
    def open(self, path: str) -> Iterator[Page]:
        """Yield a view, given by its path and query, when its sources were read."""
        context = self.browser.new_context(
            viewport={"width": WIDTHS[0], "height": HEIGHT},
            storage_state=self.state,
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.add_init_script(_VIOLATIONS)
        page.goto(f"{self.address}{path}")
        wait_until_read(page)
        yield page
        context.close()

    def check(self, path: str, name: str) -> None:
        """Take pictures of a view in both themes and widths, and fail if one has a fault."""
        messages: list[str] = []
        with self.open(path) as page:
            page.on("console", _collect(messages))
            page.reload()
            for theme, width in product(THEMES, WIDTHS):
                page.emulate_media(color_scheme=theme)
                page.set_viewport_size({"width": width, "height": HEIGHT})
                page.screenshot(path=self.pictures / f"{name}-{theme}-{width}.png", full_page=True)
                faults = [*find_faults(page), *page.evaluate("window.refused"), *messages]
                if page.evaluate("document.documentElement.scrollWidth") > width:
                    faults.append("the view is wider than its window")
                if faults:
                    pytest.fail(f"{path} in {theme}, {width} wide: {faults}")


def wait_until_read(page: Page) -> None:
    """Reload a view until each of its sources was read."""
    while page.locator(".source", has_text="being read").count():
        page.reload()


def _collect(messages: list[str]) -> Callable[[ConsoleMessage], None]:
    """Return a handler of its own kind, because Playwright sets an attribute of it."""

    def keep(message: ConsoleMessage) -> None:
        messages.append(message.text)

    return keep


def find_faults(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a view: each rule, with the elements that break it."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run()")
    assert found["passes"]
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found["violations"]
    ]
