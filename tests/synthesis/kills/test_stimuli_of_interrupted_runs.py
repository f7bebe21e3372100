"""Stimuli that are damaged, repaired, touched or edited between the runs of one synthesis."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

import braincodec as bc

from .whole_run import Output, started

DAMAGED = "031.png"


@pytest.fixture
def images(study, tmp_path):
    """The images, to be changed."""
    return shutil.copytree(study.images, tmp_path / "images")


def responses_to(images, output, study):
    """Every file of the responses, where what it says of an image that cannot be read names those of the study."""
    return {name: content.replace(bytes(images), bytes(study.images)) for name, content in output.responses().items()}


@pytest.mark.slow
def test_a_damaged_stimulus_leaves_a_row_without_values_until_it_is_repaired(study, undisturbed, images, tmp_path):
    output, log = Output(str(tmp_path / "output")), tmp_path / "log"
    whole = (images / DAMAGED).read_bytes()
    (images / DAMAGED).write_bytes(whole[:100])
    with started(output, *study.request(images=images), "--workers", "2", log=log) as run:
        assert run.wait() == 0, run.said
    assert f"2 of 80 images cannot be read; their responses are NaN:\n  {DAMAGED}: " in run.said
    store = bc.open_store(output.address)
    for one in store.response_sets().itertuples():
        roi = one.roi or None
        found = store.responses(one.model, stimuli="images", subject=one.subject, roi=roi)
        nowhere = np.isnan(found.values).reshape(len(found), -1)
        assert nowhere.all(1).tolist() == nowhere.any(1).tolist() == [n in (31, 55) for n in range(80)]
    assert bc.verify(output.address, progress=False).ok
    first = output.records()
    (images / DAMAGED).write_bytes(whole)
    with started(output, "--resume", "--workers", "2", log=log) as run:
        assert run.wait() == 0, run.said
    assert "1 stimuli can be read now: their 3 blocks are computed again" in run.said
    now = output.records()
    assert {name.rsplit("/", 1)[1] for name in first if now[name] != first[name]} == {"000007.json"}
    assert responses_to(images, output, study) == undisturbed.responses()
    assert bc.verify(output.address, progress=False).ok


@pytest.mark.slow
def test_touched_stimuli_are_gone_on_with_and_edited_ones_are_refused(study, undisturbed, images, tmp_path):
    output, log = Output(str(tmp_path / "output")), tmp_path / "log"
    words = [*study.request(images=images), "--workers", "2"]
    with started(output, *words, log=log) as run:
        assert run.wait_for_records(study.blocks // 3), run.said
        run.kill()
    kept = output.records()
    shown = {n for name in kept for n in range(4 * int(name[-11:-5]), 4 * int(name[-11:-5]) + 4)}
    edited = images / f"{min(shown):03d}.png"
    whole = edited.read_bytes()
    pixels = np.asarray(Image.open(edited)).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(edited)
    with started(output, *words, log=log) as run:
        assert run.wait() == 1
    assert f": {edited.name}; put the images back, or begin anew" in run.said.splitlines()[-1]
    assert output.records() == kept
    edited.write_bytes(whole)
    for path in images.iterdir():
        path.touch()
    with started(output, *words, log=log) as run:
        assert run.wait() == 0, run.said
    assert "contents are compared" in run.said
    assert kept.items() <= output.records().items()
    assert responses_to(images, output, study) == undisturbed.responses()
    assert bc.verify(output.address, progress=False).ok
