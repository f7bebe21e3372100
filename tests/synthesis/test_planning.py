"""Plans: which models run together, in tiles and blocks of which size, the same wherever they are made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.stimuli import StimulusSet
from braincodec.synthesis.plan import Request
from braincodec.synthesis.planning import making as planning
from braincodec.synthesis.planning.making import BYTES_OF_A_BLOCK, make_plan, sizes
from braincodec.synthesis.planning.request import make_request

STIMULI = StimulusSet.open(np.zeros((100, 8, 8, 3), np.uint8))


def plan_of(models, names, **settings):
    return make_plan(models, make_request(models, names, STIMULI, "pictures", **settings), progress=False)


def shape_of(plan):
    return [(one.shared, [(output.model, output.subject, output.roi) for output in one.outputs]) for one in plan.passes]


def test_subjects_with_one_reduction_share_a_networks_features(models):
    plan = plan_of(models, "eeg-small").plan
    assert shape_of(plan) == [("features", [("eeg-small", 1, None), ("eeg-small", 2, None)])]
    # what both need is held once
    one = plan_of(models, "eeg-small", subjects=1).plan.passes[0].weight_bytes
    assert one < plan.passes[0].weight_bytes < 2 * one


def test_networks_of_their_own_share_images(models):
    assert shape_of(plan_of(models, "fmri-fwrf").plan) == [("images", [("fmri-fwrf", 1, "V1"), ("fmri-fwrf", 1, "V2")])]


def test_regions_of_one_model_share_its_features_and_its_identity(models):
    plan = plan_of(models, "fmri-gaussian", rois=["V1", "V2"]).plan
    assert shape_of(plan) == [("features", [("fmri-gaussian", 1, "V1"), ("fmri-gaussian", 1, "V2")])]
    assert {output.identity for output in plan.outputs} == {models.encoder("fmri-gaussian").identity()}


def test_every_array_is_planned_once_and_has_labels(models):
    planned = plan_of(models, "all")
    places = [output.place for output in planned.plan.outputs]
    assert len(set(places)) == len(places) == 7
    assert set(planned.templates) == set(places)
    for output in planned.plan.outputs:
        template = planned.templates[output.place]
        assert template.shape == (0, *output.shape) and template.dims == ("stimulus", *output.dims)


def test_a_pass_holds_one_form_of_image_and_one_of_response(models):
    for one in plan_of(models, "all").plan.passes:
        assert len({output.dims for output in one.outputs}) == 1


def test_a_pass_ends_where_its_weights_would_be_too_many(models, monkeypatch):
    together = plan_of(models, "fmri-fwrf").plan
    monkeypatch.setattr(planning, "WEIGHT_BYTES_OF_A_PASS", together.passes[0].weight_bytes - 1)
    apart = plan_of(models, "fmri-fwrf").plan
    assert [one.shared for one in apart.passes] == ["nothing", "nothing"]
    assert apart.outputs == together.outputs


def test_equal_requests_have_equal_plans(models):
    first, second = plan_of(models, "fmri-*"), plan_of(models, "fmri-*")
    assert first.plan.hash() == second.plan.hash()
    assert first.plan.hash() != plan_of(models, "fmri-*", stored_dtype="float16").plan.hash()


def test_what_was_left_out_is_in_the_plan(models):
    plan = plan_of(models, "fmri-fwrf", rois=["V1", "V9"], skip_missing=True).plan
    assert plan.left_out == ("fmri-fwrf subject 1 has no V9",)


def test_tile_and_block_are_taken_as_they_are_given(models):
    (one,) = plan_of(models, "fmri-linear", tile=5, block=20).plan.passes
    assert (one.tile, one.block) == (5, 20)
    (one,) = plan_of(models, "fmri-linear", block=24).plan.passes
    assert (one.tile, one.block) == (8, 24)


@settings(deadline=None)
@given(
    count=st.integers(1, 10**7),
    preferred=st.integers(1, 256),
    image_bytes=st.integers(1, 2**31),
    values=st.integers(1, 10**7),
    device=st.sampled_from(["cpu", "cuda"]),
    tile=st.none() | st.integers(1, 300),
)
def test_blocks_are_whole_tiles_within_their_budget(count, preferred, image_bytes, values, device, tile):
    request = Request(models=("m",), stimuli="s", count=count, fingerprint="", device=device, tile=tile)
    chosen, block = sizes(request, preferred=preferred, image_bytes=image_bytes, values=values)
    assert chosen >= 1 and block % chosen == 0
    assert chosen == tile or chosen & (chosen - 1) == 0
    # one tile is the least
    assert block == chosen or block * values * 4 <= BYTES_OF_A_BLOCK
    # several workers have work where there are enough stimuli
    assert block == chosen or count >= block * planning.FEWEST_BLOCKS


def test_a_block_that_is_not_whole_tiles_is_refused():
    request = Request(models=("m",), stimuli="s", count=9, fingerprint="", tile=4, block=6)
    with pytest.raises(InputValueError, match="not made of whole tiles"):
        sizes(request, preferred=8, image_bytes=1, values=1)
