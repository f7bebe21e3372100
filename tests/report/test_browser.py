"""The report in a browser: it renders, reaches nothing, explains its numbers, and its cortex turns."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ..legibility import hard_to_read

NAMES = ("fmri", "eeg", "decoding", "both", "two")
# drawing 20,484 vertices without a graphics card, on a busy machine
PATIENCE = 120_000  # ms


@pytest.fixture
def visit(browser, reports):
    """Open a report; at the end there must have been no error and no request but for the file."""
    contexts, complaints, requests = [], [], []

    def open_page(name: str, *, width: int = 1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        address = reports(name).as_uri()
        page.on(
            "request", lambda request: requests.append(request.url) if request.url.split("#")[0] != address else None
        )
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", "blob:", "about:"))] == []


def show_cortex(page):
    """The frame of the cortex, once it is drawn."""
    page.locator("figure.cortex").first.scroll_into_view_if_needed()
    frame = page.frame_locator("figure.cortex iframe").first
    frame.locator("canvas").first.wait_for()
    for _ in range(PATIENCE // 500):
        if brain_pixels(page) > 0.02:
            return frame
        page.wait_for_timeout(500)
    raise AssertionError("the cortex was not drawn")


def picture(page) -> np.ndarray:
    """Pixels of the cortex, without its colour bar: the left half of the frame's upper part."""
    pixels = np.asarray(Image.open(io.BytesIO(page.locator("figure.cortex iframe").first.screenshot())).convert("RGB"))
    return pixels[: int(0.8 * pixels.shape[0]), : pixels.shape[1] * 7 // 10].astype(int)


def brain_pixels(page) -> float:
    """Part of the frame that is not empty."""
    return float((picture(page).min(-1) < 235).mean())


@pytest.mark.parametrize("name", [*NAMES[:-1], pytest.param(NAMES[-1], marks=pytest.mark.slow)])
def test_report_renders_every_picture(visit, name):
    page = visit(name)
    assert page.locator("h1").inner_text()
    for image in page.locator("main img").all():
        page.wait_for_function("image => image.complete", arg=image.element_handle())
        assert image.evaluate("image => image.naturalWidth") > 8
    assert page.locator("table.data tbody tr").count() > 0


@pytest.mark.parametrize("name", [*NAMES[:-1], pytest.param(NAMES[-1], marks=pytest.mark.slow)])
@pytest.mark.parametrize("width", [360, pytest.param(768, marks=pytest.mark.slow)])
def test_narrow_screens_need_no_scrolling_sideways(visit, name, width):
    page = visit(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_gap_between_splits_is_in_sight_on_a_phone(visit):
    page = visit("splits", width=360)
    table = page.locator("[id$='generalisation-table']")
    gaps = table.locator("tbody td:nth-child(3)")
    assert gaps.count() == 4
    for cell in gaps.all():
        box = cell.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_light_and_dark(visit, scheme):
    page = visit("fmri", color_scheme=scheme)
    assert hard_to_read(page) == {}
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (np.mean([int(part) for part in ground[4:-1].split(",")]) < 128) == (scheme == "dark")


def test_definition_opens_by_a_click_and_closes_again(visit):
    page = visit("decoding")
    word = page.locator("thead button.term").first
    definition = page.locator(f"#{word.get_attribute('popovertarget')}")
    assert not definition.is_visible()
    word.click()
    assert definition.is_visible()
    assert "source" in definition.inner_text()
    definition.get_by_role("button", name="Close").click()
    assert not definition.is_visible()


def test_definition_opens_by_keyboard_alone_and_without_scripts(visit):
    page = visit("decoding", java_script_enabled=False)
    page.locator("thead button.term").first.focus()
    identifier = page.locator("thead button.term").first.get_attribute("popovertarget")
    page.keyboard.press("Enter")
    definition = page.locator(f"#{identifier}")
    definition.wait_for(state="visible")
    page.keyboard.press("Escape")
    definition.wait_for(state="hidden")


def test_definition_stays_within_a_phone(visit):
    page = visit("fmri", width=360)
    page.locator(".verdict button.term").first.click()
    box = page.locator(".definition:popover-open").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert box["y"] + box["height"] <= 900


def test_every_definition_is_reached_with_the_tabulator(visit):
    page = visit("decoding")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.getAttribute('popovertarget')"))
    offered = set(page.locator("button.term").evaluate_all("all => all.map(b => b.getAttribute('popovertarget'))"))
    assert offered <= seen


def test_tables_sort_by_number_with_unknown_values_last(visit):
    page = visit("fmri")
    table = page.locator("table.data").first
    values = "rows => rows.map(row => Number(row.querySelector('td.number').dataset.sort))"
    table.get_by_role("button", name="Sort by Value").click()
    found = table.locator("tbody tr").evaluate_all(values)
    assert found == sorted(found, reverse=True)
    assert table.locator("th[aria-sort=descending]").count() == 1
    table.get_by_role("button", name="Sort by Value").click()
    found = table.locator("tbody tr").evaluate_all(values)
    assert found == sorted(found)


@pytest.mark.slow
def test_cortex_is_drawn_when_seen_and_turns_when_dragged(visit):
    page = visit("fmri", width=480)  # software drawing takes a while for each pixel
    assert page.locator("figure.cortex iframe").get_attribute("srcdoc") is None
    show_cortex(page)
    before = picture(page)
    box = page.locator("figure.cortex iframe").bounding_box()
    x, y = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y + 20, steps=3)
    page.mouse.up()
    page.wait_for_timeout(1000)
    assert (np.abs(picture(page) - before).max(-1) > 20).mean() > 0.02


@pytest.mark.slow
def test_other_hemisphere_and_other_subject_are_other_pictures(visit):
    page = visit("fmri")
    show_cortex(page)
    pictures = [picture(page)]
    for choice, value in (("hemisphere", "left"), ("subject", "2")):
        page.locator(f"figure.cortex [data-choose={choice}]").select_option(value)
        page.wait_for_timeout(1000)
        show_cortex(page)
        pictures.append(picture(page))
    assert (np.abs(pictures[0] - pictures[1]).max(-1) > 20).mean() > 0.02
    assert (np.abs(pictures[1] - pictures[2]).max(-1) > 20).any()


def test_print_shows_definitions_and_hides_what_only_a_screen_can_do(visit):
    page = visit("fmri")
    page.emulate_media(media="print")
    assert page.locator("#definitions dd").first.is_visible()
    for selector in ("nav", "iframe", "button.sort"):
        assert not page.locator(selector).first.is_visible()
