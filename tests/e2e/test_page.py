"""The operator's page in a browser, on the local deployment."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.session.session import Session
from tests.support.page_browser import PageBrowser, wait_until_read
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.requires("chromium")]

ROOT = Path(__file__).parents[2]


def get(url: str, path: str | None = None, **headers: str) -> tuple[int, str]:
    """Return status and text of the response to a request without a cookie."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", path or parts.path, headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


@pytest.fixture
def command(
    deployment: Deployment, port_variables: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``strongroom console``, and yield its process and one-time URL."""
    options = ("--env", "dev", "--root", str(deployment.layout.root))
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "console", *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **port_variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    url, note = (process.stdout.readline().strip() for _ in range(2))
    assert note == "The address works once, for 5 minutes. Ctrl-C ends the page."
    yield process, url
    process.kill()
    process.communicate()


def test_command_prints_an_address_that_opens_the_page_once_and_ends_on_ctrl_c(
    command: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = command
    assert get(url, Host="evil.example")[0] == 403
    assert get(url, path=f"http://evil.example{urlsplit(url).path}")[0] == 403
    assert get(url)[0] == 303
    for address in (url, f"{url.partition('/open/')[0]}/"):
        status, text = get(address)
        assert (status, "dev" in text) == (403, False)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (0, "", "")


def test_operator_finds_who_still_reads_the_old_version_and_the_command(
    deployment: Deployment, page: PageBrowser
) -> None:
    path, address = "secret/data/gaara-store/dev/jwt-secret", deployment.ports.vault_address
    with (
        deployment.token("gaara-store-dev") as token,
        Session(address, StaticToken(token)) as reader,
    ):
        reader.get(path)
    value = deployment.operator.get(path)["data"]["data"]
    deployment.operator.post(path, {"data": value})
    with page.open("/values?q=jwt-secret") as view:
        with view.expect_navigation():  # else the rows of the view before could be read
            view.get_by_role("link", name="jwt-secret").click()
        wait_until_read(view)
        row = view.get_by_role("row", name=re.compile("^token "))
        assert "older" in row.inner_text()
        view.locator("summary", has_text="See who still has").click()
        command = view.get_by_label("Command: See who still has").inner_text().strip()
        where = f"--env dev --service gaara-store --root {deployment.layout.root}"
        assert command == f"strongroom audit version jwt-secret {where}"
        with view.expect_navigation():
            view.get_by_role("link", name="All reads of jwt-secret").click()
        wait_until_read(view)
        assert view.get_by_role("row", name="gaara-store/jwt-secret token").count() == 1


def test_operator_finds_the_overdue_secret_and_the_command(
    deployment: Deployment, page: PageBrowser
) -> None:
    with page.open("/") as view:
        overdue = view.locator(".totals div", has_text="Overdue")
        overdue.get_by_role("link").click()
        view.wait_for_url(f"{page.address}/values?env=dev&state=overdue")
        row = view.get_by_role("row", name="database-url").first
        assert "overdue" in row.inner_text()
        row.get_by_role("link").click()
        view.locator(".command summary").first.click()
        block = view.locator(".command pre").first
        block.click()
        copied = view.evaluate("getSelection().toString()").strip()
        where = f"--env dev --service gaara-store --kind secret --root {deployment.layout.root}"
        assert copied == f"strongroom rotate database-url {where}"


def test_filters_work_without_a_script_and_stay_in_the_address(page: PageBrowser) -> None:
    with page.open("/values") as view:
        view.get_by_label("Kind").select_option("key")
        view.get_by_label("Name").fill("pii")
        view.get_by_label("Name").press("Enter")
        view.wait_for_url("**q=pii**")
        names = view.locator("table.values tbody .name").all_inner_texts()
        assert (names, "kind=key" in view.url) == (["pii"], True)


@pytest.mark.parametrize("path", ["/", "/values"])
def test_due_is_visible_in_a_narrow_window(page: PageBrowser, path: str) -> None:
    with page.open(path) as view:
        view.set_viewport_size({"width": 400, "height": 900})
        table = view.locator("table.values").first
        heading = table.get_by_role("columnheader", name=re.compile("^Due"))
        box, due = (each.bounding_box() for each in (table.locator(".."), heading))
        assert box is not None
        assert due is not None
        assert due["x"] + due["width"] < box["x"] + box["width"] <= 400


def test_page_is_used_by_keyboard_and_printed_without_its_navigation(page: PageBrowser) -> None:
    with page.open("/values") as view:
        view.keyboard.press("Tab")
        view.keyboard.press("Enter")
        view.wait_for_url("**#content")
        view.emulate_media(media="print")
        assert not view.get_by_role("navigation", name="Views").is_visible()
        assert view.locator("table.values").is_visible()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "overview"),
        ("/values", "values"),
        ("/values?q=nothing", "values-empty"),
        ("/value/secret/gaara-store/jwt-secret", "value"),
        ("/reads", "reads"),
        ("/anomalies", "anomalies"),
    ],
)
def test_view_has_no_fault_in_both_themes_and_widths(
    page: PageBrowser, path: str, name: str
) -> None:
    page.check(path, name)
    assert len(list(page.pictures.glob(f"{name}-[ld]*.png"))) == 4


def test_second_visitor_gets_nothing(page: PageBrowser) -> None:
    stranger = PageBrowser(page.browser, page.address, page.pictures)
    with stranger.open("/values") as view:
        assert view.locator("body").inner_text().strip() == "Forbidden"
