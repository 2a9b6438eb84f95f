"""HTML file of a report: parsed, as a browser that runs nothing would read it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from console.views.report_page import MAX_ROWS, OPEN_ROWS, render_page
from console.views.report_tables import report_tables
from tests.support.models.audit_lines import line, program, secret, write_store
from tests.support.models.audit_report import report

KV: dict[str, Any] = {"mount_type": "kv", "mount_point": "secret/"}
HOSTILE = "<script>alert(1)</script>\x1b]0;x\x07\N{RIGHT-TO-LEFT OVERRIDE}\"'&"
#: Elements that have no end tag.
VOID = {"meta", "link", "img", "br", "line", "rect"}


class Page(HTMLParser):
    """The elements of a page, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def find(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element *tag*."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of a report in which each name of a log is hostile."""
    auth = program("shop-dev", HOSTILE, policy_results={"allowed": True})
    person = {**auth, "display_name": f"oidc-{HOSTILE}", "metadata": {}}
    fields = {"auth": auth, "remote_address": HOSTILE, **KV}
    lines = [
        line("secret/data/shop/dev/jwt", response=secret(1), **fields),
        line(f"secret/data/{HOSTILE}", response=secret(1), **fields),
        line("secret/data/shop/dev/none", **fields),
        line(f"sys/policies/acl/{HOSTILE}", "update", response={}, **{**fields, "auth": person}),
        line(
            "auth/approle/login",
            "update",
            time="2026-05-02T00:00:00Z",
            auth=auth,
            response={"auth": {"accessor": "a", "token_ttl": 1}},
        ),
    ]
    store: Path = write_store(tmp_path_factory.mktemp("store"), lines, device="audit-1")
    return render_page(report(store))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    """Return the same page, parsed."""
    found = Page(text)
    assert found.open == []
    return found


def test_page_has_no_script_and_loads_nothing(page: Page) -> None:
    assert page.find("script") == page.find("link") == page.find("img") == []
    attributes = [pair for _, each in page.elements for pair in each.items()]
    assert [name for name, _ in attributes if name.startswith("on") or name == "style"] == []
    loading = [value for name, value in attributes if name in {"src", "href", "xlink:href"}]
    assert [value for value in loading if not str(value).startswith("#")] == []


def test_policy_admits_the_style_sheet_only(page: Page, text: str) -> None:
    (policy,) = [
        each["content"]
        for each in page.find("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_names_are_text_without_control_characters(page: Page, text: str) -> None:
    shown = "".join(page.texts)
    assert "secret/data/<script>alert(1)</script>\\x1b]0;x\\x07\\u202e\"'&" in shown
    assert [each for each in text if not each.isprintable() and each != "\n"] == []


def test_each_chart_has_a_title_and_a_table(text: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
    assert len(figures) == 4
    for figure in figures:
        found = Page(figure)
        assert len(found.find("h3")) == len(found.find("table")) == len(found.find("caption")) == 1
        assert found.find("figure")[0]["aria-labelledby"] == found.find("h3")[0]["id"]
    assert figures[0].count('<rect class="hit"') == 13  # from noon to midnight, by the hour


def test_tables_are_accessible(page: Page) -> None:
    assert page.find("html") == [{"lang": "en"}]
    assert {each.get("scope") for each in page.find("th")} == {"col", "row"}
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name == "aria-labelledby"
    ]
    links = [str(each["href"]).removeprefix("#") for each in page.find("a")]
    assert {*referred, *links} <= set(ids)
    regions = [each for each in page.find("div") if each.get("role") == "region"]
    assert {each["tabindex"] for each in regions} == {"0"}


def test_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    auth = program("shop-dev")
    many = [
        line(f"secret/data/shop/dev/n{number}", auth=auth, response=secret(1), **KV)
        for number in range(MAX_ROWS + 7)
    ]
    text = render_page(report(write_store(tmp_path, many)))
    assert "7 more rows are not shown; --json has them." in text
    assert len(re.findall(r'<th scope="row" class="name">secret/data', text)) == MAX_ROWS + 12


def test_rows_after_the_first_ones_are_folded_and_no_box_scrolls_down(tmp_path: Path) -> None:
    auth = program("shop-dev")
    many = [
        line(f"secret/data/shop/dev/n{number}", auth=auth, response=secret(1), **KV)
        for number in range(MAX_ROWS)
    ]
    text = render_page(report(write_store(tmp_path, many)))
    section = text.partition('<section aria-labelledby="reads">')[2].partition("</section>")[0]
    shown, _, folded = section.partition("<details>")
    assert shown.count('<th scope="row"') == OPEN_ROWS
    assert folded.count('<th scope="row"') == MAX_ROWS - OPEN_ROWS
    assert f"<summary>{MAX_ROWS - OPEN_ROWS} more rows</summary>" in folded
    assert section.count('class="scroll tall"') == 2
    assert 'aria-label="Reads, continued"' in folded


def test_numbers_of_tables_and_totals_have_one_format(tmp_path: Path) -> None:
    auth = program("shop-dev")
    same = line("secret/data/shop/dev/jwt", auth=auth, response=secret(1234), **KV)
    many = [{**same, "request": {**same["request"], "id": str(UUID(int=n))}} for n in range(1200)]
    text = render_page(report(write_store(tmp_path, many)))
    assert set(re.findall(r">(1,?200)<", text)) == {"1,200"}
    assert '<td class="text">1234</td>' in text  # a version is no number of things


def test_label_of_the_axis_stands_below_its_column(text: str) -> None:
    ticks = text.partition('<svg class="ticks"')[2].partition("</svg>")[0]
    assert re.findall(r'<text x="([^"]+)" y="12" text-anchor="(\w+)"', ticks) == [
        ("0.0%", "start"),
        ("50.0%", "middle"),
        ("100.0%", "end"),
    ]


def test_own_records_that_do_not_exist_are_counted_and_not_listed(tmp_path: Path) -> None:
    own = line("secret/metadata/_strongroom/dev/rotation/secret/x", auth=program("auditor"), **KV)
    other = line("secret/data/shop/dev/none", auth=program("shop-dev"), **KV)
    document = report(write_store(tmp_path, [own, other]))
    refusals = next(each for each in report_tables(document) if each.id == "refusals")
    assert [row[2] for row in refusals.rows] == ["secret/data/shop/dev/none"]
    assert refusals.note.endswith("Without 1 for Strongroom's own records, which --json has.")
    assert len(document["refusals"]) == 2


def test_page_of_an_empty_report_has_no_chart(tmp_path: Path) -> None:
    lines = [line("secret/data/shop/dev/jwt", time="2026-01-01T00:00:00Z")]
    found = Page(render_page(report(write_store(tmp_path, lines))))
    assert found.find("figure") == []
    assert "The logs have no line in this period." in "".join(found.texts)
