"""The report in Debian's Chromium (`apt-get install chromium`), with the extra test-browser: `pytest -m browser`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cutmix_gen import GenerateConfig, generate
from cutmix_gen.visualize.report import write_report
from tests.sets import make_folder
from tests.visualize.report.hostile import NAMES, hostile_folder

pytestmark = pytest.mark.browser

_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Return a page with hostile names and skips, and one of many classes and strategies."""
    root = tmp_path_factory.mktemp("sets")
    hostile = hostile_folder(root / "hostile-images")
    many = make_folder(root / "many-images", per_class=6, classes=40, size=(28, 20))
    common = {"backend": "serial", "max_failures": "100%"}
    generate(GenerateConfig(source=hostile, output=root / "hostile", copies=3, **common))
    generate(GenerateConfig(source=many, output=root / "many", strategy=("cutmix", "fmix", "multi"), **common))
    for name in ("hostile", "many"):
        write_report(root / name, root / f"{name}.html")
    return {name: root / f"{name}.html" for name in ("hostile", "many")}


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=program, headless=True, args=_SWITCHES
        )
        yield context
        context.close()


class Visit:
    """An open page, and what happened while it was opened."""

    def __init__(self, browser: Any, path: Path, width: int, scheme: str) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)
        self.page.goto(path.as_uri())

    def style(self, selector: str, name: str) -> str:
        """Return a property of an element as it is shown."""
        script = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"
        return str(self.page.evaluate(script, [selector, name]))


@pytest.fixture
def visit(browser, pages):
    opened = []

    def open_page(name: str, width: int = 1600, scheme: str = "light") -> Visit:
        opened.append(Visit(browser, pages[name], width, scheme))
        return opened[-1]

    yield open_page
    for each in opened:
        each.page.close()


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("name", ["hostile", "many"])
def test_it_fits_a_telephone_and_a_wide_screen(visit, name, width):
    page = visit(name, width).page
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    beyond = "[...document.querySelectorAll('img, h1, h2, h3, p, pre, .plot')].filter(one =>"
    assert page.evaluate(beyond + " one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML)") == []
    small = "[...document.querySelectorAll('.plot text')].map(one => one.getBoundingClientRect().height)"
    assert min(page.evaluate(small)) >= 9


@pytest.mark.parametrize("name", ["hostile", "many"])
def test_every_picture_is_shown(visit, name):
    shown = visit(name).page.evaluate("[...document.images].map(one => one.complete && one.naturalWidth > 0)")
    assert shown
    assert all(shown)


@pytest.mark.parametrize("name", ["hostile", "many"])
def test_it_asks_for_nothing_and_complains_of_nothing(visit, pages, name):
    seen = visit(name)
    seen.page.wait_for_timeout(200)
    assert [url for url in seen.requests if not url.startswith("data:")] == [pages[name].as_uri()]
    assert seen.complaints == []


def test_names_stay_text(visit):
    page = visit("hostile").page
    assert page.locator("script").count() == 0
    names = page.locator("h3 bdi").all_text_contents()
    assert sorted(names) == sorted(name.replace("\n", "\ufffd").replace("\\", "\\\\") for name in NAMES)
    assert any(text.startswith("<script>") for text in page.locator(".plot text").all_text_contents())
    assert any("<script>alert(1)<" in alt for alt in page.locator("img").evaluate_all("all => all.map(one => one.alt)"))


def test_a_script_that_got_in_would_not_run(visit):
    seen = visit("hostile")
    seen.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
    )
    seen.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    seen.page.wait_for_timeout(200)
    assert seen.page.evaluate("window.ran") is None
    assert sum("Content Security Policy" in text for text in seen.complaints) == 2


def test_by_night_it_is_dark(visit):
    day, night = visit("many", scheme="light"), visit("many", scheme="dark")
    for selector, name in (("body", "backgroundColor"), ("body", "color"), (".plot path[style*=main]", "fill")):
        assert day.style(selector, name) != night.style(selector, name), selector
    assert brightness(night.style("body", "backgroundColor")) < 60
    assert brightness(night.style("body", "color")) > 180
    assert brightness(night.style(".plot text", "fill")) > 180


def brightness(colour: str) -> float:
    """Return the mean of `rgb(1, 2, 3)`."""
    parts = colour.removeprefix("rgb(").removesuffix(")").split(",")
    return sum(map(float, parts)) / len(parts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["hostile", "many"])
def test_axe_finds_nothing_that_keeps_people_out(visit, name, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(name, scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_the_keyboard_reaches_the_content_first(visit):
    page = visit("many", 400).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_printed_it_has_pages_and_what_was_folded(visit, tmp_path):
    page = visit("many", scheme="dark").page
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    page.emulate_media(media="print")
    assert brightness(page.evaluate("getComputedStyle(document.body).backgroundColor")) == 255
    assert page.locator("nav").is_hidden()
    assert page.locator("details:not([open]) table").first.evaluate("one => one.getBoundingClientRect().height") > 100
