"""The report in a real headless Chromium: opened light, dark and on a phone; slid, played, hovered, tapped, copied.

Needs the Python package playwright and Debian's chromium; without them the tests skip and say so. Set
DEGAS_SCREENSHOTS to a folder to keep the pictures.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_run import EPOCHS, fake_run
from PIL import Image

from degas.figures.film import save_film
from degas.report.render import write_report
from degas.report.training_film import write_film

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    one = fake_run(folder / "one", num_stages=3)
    two = fake_run(folder / "two", seed=4, num_stages=2, num_normal=2, evaluate=False)
    write_film(one)
    save_film([Image.new("L", (64, 64), 40 * k) for k in range(6)], one / "walk.webp", frame_ms=100)
    return {"single": write_report([one], folder / "1.html"), "pair": write_report([one, two], folder / "2.html")}


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with playwright.sync_playwright() as found:
        yield found


@pytest.fixture
def open_page(driver: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a report in a fresh, empty profile; fails the test for any message, error or request beside the file."""
    contexts, trouble = [], []

    def open_it(report: Path, size: str = "desktop", scheme: str = "light", script: bool = True) -> Any:
        width, height = SIZES[size]
        context = driver.chromium.launch_persistent_context(
            str(tmp_path / f"profile{len(contexts)}"), executable_path=CHROMIUM, headless=True, args=FLAGS,
            viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=script,
            has_touch=size == "phone",
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("request", lambda request: trouble.append(request.url) if outside(request.url) else None)
        page.goto(report.as_uri())
        return page

    def outside(url: str) -> bool:
        return not url.startswith(("data:", "file:"))

    yield open_it
    for context in contexts:
        context.close()
    assert trouble == []


def keep(page: Any, name: str, whole: bool = True) -> None:
    if folder := os.environ.get("DEGAS_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=whole)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("kind", ["single", "pair"])
def test_it_fits_the_screen_and_follows_the_colour_scheme(
    open_page: Any, reports: dict[str, Path], kind: str, size: str, scheme: str
) -> None:
    page = open_page(reports[kind], size, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (shade > 200) == (scheme == "light")
    loaded = page.evaluate("[...document.images].filter(i => !i.hidden).every(i => i.complete && i.naturalWidth > 0)")
    assert loaded
    small = page.evaluate(
        "[...document.querySelectorAll('p, td, li, dt, dd, button')].filter(e => e.offsetWidth && "
        "parseFloat(getComputedStyle(e).fontSize) < 11).length"
    )
    assert small == 0
    keep(page, f"{kind}-{size}-{scheme}")


def test_the_epoch_slider_moves_bars_numbers_and_cursor(open_page: Any, reports: dict[str, Path]) -> None:
    page = open_page(reports["single"])
    page.locator("#alpha summary").first.click()  # α is folded away
    slider = page.locator("#alpha [data-slider]")
    card = page.locator("#alpha .card").first
    state = "c => [...c.querySelectorAll('.bar i')].map(i => parseFloat(i.style.width))"
    last, numbers = card.evaluate(state), card.locator(".num").all_inner_texts()
    slider.focus()
    slider.press("Home")
    assert page.locator("#alpha output").inner_text() == "epoch 1"
    assert slider.get_attribute("aria-valuetext") == "epoch 1"
    assert card.evaluate("c => c.querySelector('.cursor').style.left") == "0%"
    assert card.locator(".num").all_inner_texts() != numbers
    first = card.evaluate(state)
    assert max(first) - min(first) < max(last) - min(last)  # α has spread since the first epoch
    slider.press("End")
    assert card.evaluate(state) == pytest.approx(last, abs=0.1)
    assert card.locator(".num").all_inner_texts() == numbers
    assert card.locator("li.lead").count() == 1


def test_the_sample_slider_shows_one_grid_at_a_time(open_page: Any, reports: dict[str, Path]) -> None:
    page = open_page(reports["pair"])
    panels = page.locator("#samples article")
    assert panels.count() == 2
    visible = "p => [...p.querySelectorAll('.frames img')].filter(i => i.offsetHeight > 0).map(i => i.dataset.text)"
    assert panels.nth(0).evaluate(visible) == ["step 1500"]
    slider = panels.nth(0).locator("input")
    slider.focus()
    slider.press("ArrowLeft")
    assert panels.nth(0).evaluate(visible) == ["step 1250"]
    assert panels.nth(1).evaluate(visible) == ["step 1500"]  # each run has its own
    panels.nth(1).locator(".play").click()
    playwright.expect(panels.nth(1).locator("output")).to_have_text("step 750")
    panels.nth(1).locator(".play").click()
    assert panels.nth(1).locator(".play").get_attribute("aria-label") == "Play Generator step of two"


def test_hovering_an_edge_tells_alpha_and_margin(open_page: Any, reports: dict[str, Path]) -> None:
    page = open_page(reports["single"])
    tip = page.locator("#tip")
    assert not tip.is_visible()
    page.locator(".edge.kept rect").first.hover()
    text = tip.inner_text()
    for words in ("U0 → N1", "α ", "mixing weight", "margin +"):
        assert words in text
    keep(page, "tip", whole=False)
    page.mouse.move(2, 2)
    assert not tip.is_visible()
    dropped = page.locator(".edge.dropped").first
    middle = dropped.evaluate(
        "e => { const p = e.querySelector('.hit'); const q = p.getPointAtLength(p.getTotalLength() / 2)"
        ".matrixTransform(p.getScreenCTM()); return [q.x, q.y]; }"
    )
    page.mouse.move(*middle)
    assert "not kept" in tip.inner_text()


def test_keyboard_and_touch_reach_an_edge_too(open_page: Any, reports: dict[str, Path]) -> None:
    page = open_page(reports["single"], "phone", "dark")
    edge = page.locator(".edge.kept").first
    edge.locator("rect").tap()
    box = page.locator("#tip").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()
    page.keyboard.press("Tab")
    assert page.locator("#tip").is_visible()
    keep(page, "phone-tip", whole=False)


def test_several_runs_show_differences_alone_until_asked_and_commands_can_be_copied(
    open_page: Any, reports: dict[str, Path]
) -> None:
    page = open_page(reports["pair"])
    rows = page.locator("#settings tbody tr:visible")
    assert set(rows.evaluate_all("rows => rows.map(r => r.className)")) == {"differs"}
    before = rows.count()
    page.locator('[data-all-values="settings"]').check()
    assert rows.count() > before
    button = page.locator(".copy").first
    button.click()
    playwright.expect(button).to_have_text(re.compile("Copied|Selected"))


def test_a_link_to_what_is_folded_opens_it(open_page: Any, reports: dict[str, Path]) -> None:
    page = open_page(reports["single"])
    assert not page.locator("#alpha .card").first.is_visible()
    page.locator('nav a[href="#alpha"]').click()
    playwright.expect(page.locator("#alpha .card").first).to_be_visible()


OUTSIDE = """names => [...document.querySelectorAll(names.join())].filter(e => e.offsetParent).filter(e => {
    const box = e.getBoundingClientRect();
    return box.left < 0 || box.right > innerWidth + 0.5 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0;
}).map(e => e.className + " " + e.textContent.trim().slice(0, 40))"""


@pytest.mark.parametrize("kind", ["single", "pair"])
def test_on_a_phone_every_score_and_table_is_whole_without_sideways_scrolling(
    open_page: Any, reports: dict[str, Path], kind: str
) -> None:
    page = open_page(reports[kind], "phone")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.locator("#scores td:visible strong").count() == 4
    assert page.evaluate(OUTSIDE, [".scroll", "#headline strong", ".finding-sentence", "tbody th", "tbody td"]) == []
    keep(page, f"{kind}-phone-open")
    labels = page.locator("#scores td").first.evaluate("e => getComputedStyle(e, '::before').content")
    assert labels == ('"score"' if kind == "single" else '"one"')  # what the head of the column said


def test_a_reader_who_wants_no_motion_gets_stills(driver: Any, open_page: Any, reports: dict[str, Path]) -> None:
    page = open_page(reports["single"])
    shown = "e => e.currentSrc.slice(0, 15)"
    films = page.locator("#samples picture img, #walk picture img")
    assert films.count() == 2
    assert films.first.evaluate(shown) == "data:image/webp"
    page.emulate_media(reduced_motion="reduce")
    for film in films.all():
        playwright.expect(film).to_have_js_property("complete", True)
        assert film.evaluate(shown) == "data:image/png;"


def test_without_scripts_the_last_state_is_shown(open_page: Any, reports: dict[str, Path]) -> None:
    page = open_page(reports["single"], script=False)
    assert page.locator("#samples .frames img:visible").count() == 1
    assert page.locator("#samples .frames img:visible").get_attribute("data-text") == "step 1500"
    assert page.locator(".slider:visible").count() == 0
    page.locator("#alpha summary").first.click()
    assert page.locator("#alpha .card li .num").first.inner_text() != ""
    assert EPOCHS == 12
