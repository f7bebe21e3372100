"""What a visitor's actions make of their visit, and what the page then shows."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from html import unescape

import numpy as np
import pytest
from PIL import Image

from braincodec.app.views.figures import packed
from braincodec.app.views.mesh_file import mesh_file
from braincodec.app.views.shown import shown
from braincodec.app.visit import Visits
from braincodec.errors import InputValueError
from braincodec.mesh import fsaverage5

VERTICES, SENSORS, VOXELS = "fmri-test-vertices", "eeg-test-sensors", "fmri-test-voxels"


@pytest.fixture
def visits(explorer):
    return Visits(explorer)


def sent(visits, visit):
    return json.loads(unescape(re.search(r'data-payload="([^"]*)"', shown(visits, visit).payload)[1]))


def ready(visits, visit):
    for _ in range(300):
        if visit.prediction.reference.ready:
            return visit
        time.sleep(0.05)
        visit = visits.again(visit)
    raise AssertionError("the gallery was not encoded")


def test_arriving_without_a_link_shows_the_first_example_on_a_cortex(visits):
    visit = visits.arrive({})
    assert visit.error == ""
    assert visit.state.example == visits.photographs[0].name
    numbers = sent(visits, visit)
    assert numbers["shows"] == "cortex"
    assert numbers["state"]["query"].startswith("model=fmri-test-vertices")


def test_own_photograph_is_predicted_and_is_in_no_link(visits, tmp_path):
    path = tmp_path / "my <b>dog.png"
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(path)
    visit = visits.upload(visits.arrive({}), path)
    assert visit.uploaded and visit.pixels.shape == (30, 40, 3)
    assert "example" not in sent(visits, visit)["state"]["query"]
    assert "<b>dog" not in shown(visits, visit).headline
    assert "&lt;b&gt;dog" in shown(visits, visit).headline


def test_bad_file_is_one_sentence_and_what_was_shown_stays(visits, tmp_path):
    path = tmp_path / "song.png"
    path.write_bytes(b"not an image")
    before = visits.arrive({})
    visit = visits.upload(before, path)
    assert "not a photograph" in visit.error
    assert visit.prediction is before.prediction
    assert shown(visits, visit).status.count('role="alert"') == 1
    assert visits.choose_roi(visit, "V1").error == ""


def test_error_of_a_kind_that_nobody_foresaw_is_logged_and_not_shown(visits, monkeypatch, caplog):
    def broken(*_, **__):
        raise ZeroDivisionError("secret words")

    before = visits.arrive({})
    monkeypatch.setattr(visits.explorer, "predict", broken)
    visit = visits.try_example(before, visits.photographs[1].name)
    assert "secret words" not in visit.error and visit.error
    assert visit.prediction is None
    assert "secret words" in caplog.text


def test_nothing_is_computed_for_somebody_who_has_left(visits, monkeypatch):
    from braincodec.app import queueing

    monkeypatch.setattr(queueing, "LOOK_AGAIN", 0)  # seconds: looks before the model can answer
    visit = visits.arrive({}, lambda: True)
    assert visit.prediction is None and "cancelled" in visit.error
    assert visits.arrive({}, lambda: False).prediction is not None


def test_region_is_chosen_and_chosen_again_means_all(visits):
    visit = visits.choose_roi(visits.arrive({}), "V1")
    assert visit.state.roi == "V1"
    assert sent(visits, visit)["cortex"]["mask"] is not None
    assert visits.choose_roi(visit, "V1").state.roi is None
    assert "available" in visits.choose_roi(visit, "nowhere").error


def test_another_model_keeps_the_photograph_and_drops_a_region_that_it_has_not(visits):
    visit = visits.choose_roi(visits.arrive({}), "FFA")
    other = visits.choose_model(visit, VOXELS)
    assert other.pixels is visit.pixels
    assert other.state.roi is None
    assert other.prediction.model == VOXELS
    assert visits.choose_subject(other, "2").state.subject == 2
    assert "available: 1, 2" in visits.choose_subject(other, "7").error


def test_sensors_are_shown_over_time_with_the_chosen_group(visits):
    visit = visits.choose_roi(visits.choose_model(visits.arrive({}), SENSORS), "occipital")
    numbers = sent(visits, visit)
    assert numbers["shows"] == "scalp"
    assert set(numbers["scalp"]["chosen"]) == {"Oz", "O1"}
    assert len(numbers["scalp"]["channels"]) == 5
    assert shown(visits, visit).slices == ""


def test_bars_and_nearest_images_appear_once_the_gallery_is_encoded(visits):
    visit = ready(visits, visits.arrive({}))
    pieces = shown(visits, visit)
    assert not pieces.waiting
    assert pieces.bars.count("<tr") == 3  # the head, V1 and FFA
    assert "24" in pieces.bars
    assert pieces.nearest.count("<img") == 8
    assert "other images" in pieces.headline


def test_page_asks_no_more_after_a_while(visits, monkeypatch):
    from braincodec.app import visit as rules
    from braincodec.app.views import shown as view

    visit = visits.arrive({})
    for module in (rules, view):
        monkeypatch.setattr(module, "MOST_ASKED", 0)
    assert not shown(visits, visit).waiting


def test_simulated_models_say_so_beside_every_number(visits):
    pieces = shown(visits, visits.arrive({}))
    assert "simulated" in pieces.headline and "simulated" in pieces.about
    other = shown(visits, visits.choose_model(visits.arrive({}), VOXELS))
    assert "simulated" not in other.headline


def test_packed_numbers_come_back_within_a_part_of_the_scale():
    values = np.array([0.0, -3.0, 2.9999, np.nan])
    numbers = packed(values)
    whole = np.frombuffer(base64.b64decode(numbers["data"]), "<i2")
    assert whole[3] == -32768
    np.testing.assert_allclose(whole[:3] / 32767 * numbers["scale"], values[:3], atol=3 / 32767)


def test_mesh_file_holds_both_hemispheres():
    content = mesh_file()
    vertices, triangles, per_millimetre = np.frombuffer(content[:12], "<u4")
    assert len(content) == 12 + 2 * (6 * vertices + 6 * triangles + vertices)
    points = np.frombuffer(content[12 : 12 + 6 * vertices], "<i2").reshape(-1, 3) / per_millimetre
    mesh = fsaverage5("left").inflated
    np.testing.assert_allclose(points - points[0], mesh - mesh[0], atol=0.02)


def test_a_file_that_the_browser_held_back_is_named_by_its_size(visits):
    assert "31.5 MB" in visits.too_large(visits.arrive({}), 31.5).error


def test_port_that_is_taken_is_told_with_a_free_one():
    from braincodec.app.serve import check_port

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(InputValueError, match=rf"port {port} .* is free: --port"):
            check_port("127.0.0.1", port)
    with pytest.raises(InputValueError, match="not known"):
        check_port("host.invalid", 7860)
    with pytest.raises(InputValueError, match="does not exist"):
        check_port("127.0.0.1", 99_999)
