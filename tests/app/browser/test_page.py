"""The page in a browser, from the first look to a link that brings it back; only its own server is in reach."""

from __future__ import annotations

import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

from ...legibility import hard_to_read

pytestmark = pytest.mark.slow

MODEL = "fmri-test-vertices"
SENSORS = "eeg-test-sensors"
NO_BOX = "all => all.filter(e => e.offsetParent && (e.getBoundingClientRect().right > innerWidth + 1)).map(e => e.id)"

UNNAMED = """
() => [...document.querySelectorAll("gradio-app :is(button, input, canvas, img, [role=img])")]
  .filter((e) => e.checkVisibility() && !e.closest("[aria-hidden=true]"))
  .filter((e) => !((e.getAttribute("aria-label") || e.getAttribute("alt") || e.textContent || "").trim()
                   || e.getAttribute("aria-labelledby") || e.labels?.length || e.querySelector("img[alt]:not([alt=''])")
                   || (e.getAttribute("alt") === "" && e.closest("[aria-label]"))))
  .map((e) => e.outerHTML.slice(0, 120))
"""


def photograph(tmp_path, name="holiday.png", *, content=None):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    else:
        pixels = np.random.default_rng(3).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return path


def upload(page, path):
    page.locator("#photo-upload input[type=file]").set_input_files(path)


def settled(page):
    """Until the cortex lies still and is drawn finely."""
    page.locator("#cortex canvas[data-values=yes][data-drawn=yes]").wait_for()


def drawn(page) -> np.ndarray:
    settled(page)
    return np.asarray(Image.open(io.BytesIO(page.locator("#cortex canvas").screenshot())).convert("RGB")).astype(int)


def headline(page) -> str:
    return page.locator("#bc-headline").inner_text().replace("\N{NO-BREAK SPACE}", " ")


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option).first.click()


def test_first_look_shows_a_prediction_and_says_what_went_wrong_with_a_bad_file(visit, tmp_path):
    page = visit()
    assert "predicted to answer" in page.locator("#bc-headline").inner_text()
    picture = drawn(page)
    assert (picture.max(-1) - picture.min(-1) > 60).any()  # coloured, not the bare cortex
    assert page.locator("#cortex .simulated").is_visible()

    upload(page, photograph(tmp_path, "notes.png", content=b"no photograph at all"))
    page.locator("#bc-status .error").wait_for()
    words = page.locator("#bc-status .error").inner_text()
    assert words.count(".") == 1 and "not a photograph" in words
    assert "Traceback" not in page.content()
    assert "astronaut" in page.locator("#bc-headline").inner_text()  # what was there stays

    upload(page, photograph(tmp_path))
    page.locator("#bc-headline", has_text="holiday").wait_for()
    assert page.locator("#bc-status .error").count() == 0
    assert "example" not in page.url


def test_cortex_turns_by_mouse_by_arrow_keys_and_to_a_named_view(visit):
    page = visit()
    canvas = page.locator("#cortex canvas")
    pictures = [drawn(page)]
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 170, steps=4)
    page.mouse.up()
    pictures.append(drawn(page))
    canvas.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    pictures.append(drawn(page))
    page.get_by_role("button", name="Below", exact=True).click()
    pictures.append(drawn(page))
    page.get_by_role("button", name="Left", exact=True).click()
    pictures.append(drawn(page))
    for before, after in itertools.pairwise(pictures):
        assert (np.abs(before - after).max(-1) > 20).mean() > 0.02
    assert "view=ventral" in page.url
    assert "hemisphere=left" in page.url


def test_region_is_chosen_in_the_list_in_the_table_and_on_the_cortex(visit):
    page = visit()
    choose(page, "Region", "FFA")
    page.wait_for_function("location.search.includes('roi=FFA')")
    page.locator("#bc-headline", has_text="FFA").wait_for()
    page.locator("#bars button", has_text="V1").click()
    page.wait_for_function("location.search.includes('roi=V1')")
    page.wait_for_function("document.querySelector('[aria-label=Region]').value === 'V1'")
    page.locator("#bars button[aria-pressed=true]", has_text="V1").wait_for()
    page.locator("#bars button", has_text="V1").click()  # once more: all of them
    page.wait_for_function("!location.search.includes('roi=')")
    page.evaluate("window.braincodec.tell('select', {roi: 'FFA'})")  # what a click on the cortex sends
    page.wait_for_function("location.search.includes('roi=FFA')")


def test_eeg_has_curves_and_a_scalp_that_follow_the_slider(visit):
    page = visit()
    choose(page, "Model", SENSORS)
    page.locator("#scalp").wait_for()
    assert not page.locator("#cortex").is_visible()
    page.locator("#scalp path.channel").nth(4).wait_for(state="attached")
    assert page.locator("#scalp path.channel").count() == 5
    assert page.get_by_label("Channels", exact=True).input_value() == "All channels"
    slider = page.get_by_role("slider")
    # at first the moment that the page's first sentence names
    assert f"{slider.get_attribute('aria-valuetext').split(',')[0]} after it appears" in headline(page)
    words, scalp = slider.get_attribute("aria-valuetext"), page.locator("#scalp div.head").screenshot()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") != words
    page.wait_for_function("location.search.includes('time=')")
    assert page.locator("#scalp div.head").screenshot() != scalp


def test_volume_is_shown_in_slices(visit):
    page = visit("?model=fmri-test-voxels&subject=2")
    page.locator("#slices img").nth(2).wait_for()
    assert page.get_by_label("Subject", exact=True).input_value() == "2"
    assert page.locator("#slices img").evaluate_all("all => all.map(e => e.naturalWidth > 1)") == [True] * 3


def test_decoder_shows_what_it_makes_of_a_pattern(visit_trial):
    page = visit_trial("?model=fmri-simulated-lea")
    patterns = page.locator("#decoded .tries button")
    patterns.nth(1).click()
    made = page.locator("#decoded figure", has_text="decoded")
    made.first.wait_for()
    page.locator("#decoded figure", has_text="what was seen").wait_for()
    page.locator("#decoded .tries button[aria-pressed=true]").wait_for()
    assert made.locator("img").evaluate_all("all => all.every(e => e.naturalWidth > 1)")
    assert page.locator("#decoded .simulated").is_visible()
    page.locator("#decoded figure", has_text="cos =").first.wait_for()  # the gallery's nearest, once it is read
    assert "training images" in page.locator("#decoded").inner_text()
    assert patterns.count() == 6


def test_own_pattern_is_decoded_and_a_wrong_one_gets_a_sentence(visit_trial, tmp_path):
    page = visit_trial("?model=fmri-simulated-lea")
    chooser = page.locator("#pattern-upload input[type=file]")
    np.save(tmp_path / "short.npy", np.zeros(7, np.float32))
    chooser.set_input_files(tmp_path / "short.npy")
    page.locator("#bc-status .error", has_text="7").wait_for()
    units = int(
        re.search(r"one pattern of ([\d,]+) numbers", page.locator("#bc-status").inner_text())[1].replace(",", "")
    )
    np.save(tmp_path / "own.npy", np.random.default_rng(0).standard_normal(units).astype(np.float32))
    chooser.set_input_files(tmp_path / "own.npy")
    page.locator("#decoded figure", has_text="decoded").first.wait_for()
    assert page.locator("#bc-status .error").count() == 0


def test_link_brings_back_what_was_seen_in_a_fresh_browser(visit):
    page = visit()
    page.locator("[data-example]").nth(2).click()
    page.wait_for_function("document.querySelectorAll('[data-example]')[2].getAttribute('aria-pressed') === 'true'")
    page.locator("#bars button", has_text="FFA").click()
    page.locator("#bc-headline b", has_text="FFA").wait_for()
    page.wait_for_function("location.search.includes('roi=FFA')")
    page.get_by_role("button", name="Above", exact=True).click()
    page.get_by_role("button", name="Right", exact=True).click()
    settled(page)
    link, headline, picture = page.url, page.locator("#bc-headline").inner_text(), drawn(page)

    other = visit(link.partition("/?")[2].join(["?", ""]))
    settled(other)
    assert other.locator("#bc-headline").inner_text() == headline
    assert other.get_by_role("button", name="Above", exact=True).get_attribute("aria-pressed") == "true"
    assert np.abs(drawn(other) - picture).mean() < 1.0


def test_link_to_what_is_not_there_says_so_and_shows_something_else(visit):
    page = visit("?model=fmri-of-nobody&roi=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "fmri-of-nobody" in page.locator("#bc-status").inner_text()
    assert "predicted to answer" in page.locator("#bc-headline").inner_text()


def test_everything_is_reached_by_the_tabulator_in_reading_order(visit):
    page = visit()
    page.evaluate("document.activeElement.blur()")
    order = []
    for _ in range(60):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "(e => e.id || e.dataset?.example || e.dataset?.view || e.dataset?.roi || e.getAttribute('aria-label')"
                " || e.textContent.trim())(document.activeElement)"
            )
        )
        assert page.evaluate(
            "(e => e === document.body || getComputedStyle(e).outlineStyle !== 'none')(document.activeElement)"
        ), order[-1]
    wanted = ["bc-copy", "bc-light", "Choose a photograph", "astronaut", "Model", "Subject", "Region", "ventral", "V1"]
    places = [next(at for at, name in enumerate(order) if name == one) for one in wanted]
    assert places == sorted(places)


def test_example_and_region_are_chosen_by_keyboard_alone(visit):
    page = visit()
    page.locator("[data-example=coffee]").focus()
    page.keyboard.press("Enter")
    page.locator("#bc-headline", has_text="coffee").wait_for()
    page.get_by_label("Region", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('roi=')")


@pytest.mark.parametrize("model", [MODEL, SENSORS])
def test_phone_needs_no_scrolling_sideways(visit, model):
    page = visit(f"?model={model}", width=390, height=844, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("gradio-app :is(section, button, input, img)").evaluate_all(NO_BOX) == []
    assert page.locator(".scroll").evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth).length") == 0


@pytest.mark.parametrize("model", [MODEL, SENSORS])
def test_small_screen_cuts_no_column_off(visit, model):
    page = visit(f"?model={model}", width=1280, height=800)
    assert page.locator(".scroll").evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth).length") == 0
    views = page.locator("#cortex [data-view]").evaluate_all("all => all.map(e => e.getBoundingClientRect().top)")
    assert len(set(views)) == 1  # in one row


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("model", [MODEL, SENSORS])
def test_text_is_legible_and_everything_has_a_name(visit, scheme, model):
    page = visit(f"?model={model}&roi=V1", color_scheme=scheme)
    assert hard_to_read(page, "gradio-app") == {}
    assert page.evaluate(UNNAMED) == []
    figure = "#cortex canvas" if model == MODEL else "#scalp svg.curves"
    words = page.locator(f"#{page.locator(figure).get_attribute('aria-describedby')}")
    assert "Predicted response" in words.inner_text()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (np.mean([int(part) for part in ground[4:-1].split(",")]) < 128) == (scheme == "dark")


def test_photograph_can_be_dropped_anywhere(visit, tmp_path):
    page = visit()
    page.evaluate(
        """async () => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 40, height: 40});
          const blob = await new Promise((done) => canvas.toBlob(done));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([blob], "dropped.png", {type: "image/png"}));
          document.querySelector("footer").dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true}));
        }"""
    )
    page.locator("#bc-headline", has_text="dropped").wait_for()


def test_file_beyond_the_limit_is_held_back_with_a_sentence(visit, tmp_path):
    page = visit()
    upload(page, photograph(tmp_path, "large.png", content=bytes(21_000_000)))
    page.locator("#bc-status .error").wait_for()
    assert "21.0 MB" in page.locator("#bc-status .error").inner_text()
