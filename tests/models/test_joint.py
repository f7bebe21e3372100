"""Several encoders over one pass of the images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from braincodec.errors import InputValueError
from braincodec.features import Preprocessing
from braincodec.models import JointEncoder
from braincodec.models.linear import LinearEncoder

from ..small_models import Tiny, eeg, fwrf, gabor_linear, images, linear, tiny_backbone

IMAGES = images(5, 24)


@pytest.fixture
def calls(monkeypatch):
    """How many images each preprocessing was given."""
    counted: dict[Preprocessing, int] = {}
    original = Preprocessing.__call__

    def count(self, array):
        counted[self] = counted.get(self, 0) + len(array)
        return original(self, array)

    monkeypatch.setattr(Preprocessing, "__call__", count)
    return counted


def test_regions_and_subjects_lie_one_after_another(calls):
    members = [fwrf(3, seed=1, roi="V1"), fwrf(2, seed=5, roi="V2", first=40), fwrf(4, seed=9, roi="V1", subject=2)]
    joint = JointEncoder(members)
    responses = joint.encode(IMAGES, device="cpu", batch_size=2)
    each = [member.encode(IMAGES, device="cpu", batch_size=2).values for member in members]
    assert np.array_equal(responses.values, np.concatenate(each, 1))
    assert responses.subject.values.tolist() == [1] * 5 + [2] * 4
    assert responses.model_roi.values.tolist() == ["V1"] * 3 + ["V2"] * 2 + ["V1"] * 4
    assert joint.response_shape == (9,)


def test_each_image_is_preprocessed_once_for_each_distinct_preprocessing(calls):
    members = [fwrf(2, seed=1), fwrf(2, seed=2), linear(3), linear(4), gabor_linear(3)]
    JointEncoder(members).encode(IMAGES, device="cpu", batch_size=2)
    assert sorted(calls.values()) == [5, 5, 5]


def test_shared_features_are_computed_once():
    backbone = tiny_backbone()
    members = [linear(4, backbone=backbone), linear(4, backbone=backbone, subject=2), linear(6, backbone=backbone)]
    wanted = [member.encode(IMAGES, device="cpu").values for member in members]
    Tiny.passes = 0
    joint = JointEncoder(members)
    found = joint.encode(IMAGES, device="cpu", batch_size=2)
    # the third has a reduction of its own
    assert Tiny.passes == 3 * 2
    assert np.allclose(found.values, np.concatenate(wanted, 1), atol=1e-6)
    Tiny.passes = 0
    JointEncoder(members[:2]).encode(IMAGES, device="cpu", batch_size=2)
    assert Tiny.passes == 3


def test_only_one_of_those_that_share_holds_a_network():
    members = [gabor_linear(3), gabor_linear(3, subject=2)]
    JointEncoder(members).encode(IMAGES, device="cpu", dtype="bfloat16")
    assert members[0]._running is not None
    assert members[1]._running is None


def members_of(roi, count, first, **about):
    return fwrf(count, seed=first, rois={roi: np.ones(count, bool)}, first=first, roi=roi, **about)


def test_membership_holds_for_every_unit_of_the_same_voxel():
    # voxels 0-3 and 2-5 of subject 1, voxels 0-1 of subject 2
    joint = JointEncoder([members_of("V1", 4, 0), members_of("lateral", 4, 2), members_of("V1", 2, 0, subject=2)])
    units = joint.units
    assert units.roi.values.tolist() == ["V1", "lateral"]
    v1, lateral = units.roi_membership.values.T.tolist()
    assert v1 == [True] * 4 + [True, True, False, False] + [True] * 2
    assert lateral == [False, False, True, True] + [True] * 4 + [False] * 2
    assert units.sizes["unit"] == 10  # the same voxel by two models stays two units


def test_deduplication_is_asked_for():
    joint = JointEncoder([members_of("V1", 4, 0), members_of("lateral", 4, 2)])
    responses = joint.encode(IMAGES[:1], device="cpu")
    assert responses.bc.select(roi="V1").sizes["unit"] == 6
    once = responses.bc.select(roi="V1", deduplicate=True)
    assert once.sizes["unit"] == 4
    assert len({tuple(row) for row in np.stack([once.i, once.j, once.k], 1).tolist()}) == 4


def test_units_without_a_place_share_no_region():
    members = [members_of("V1", 2, 0), members_of("V2", 3, 0), members_of("V3", 1, 0)]
    for lost in members[1:]:
        lost.units = lost.units.drop_vars(["i", "j", "k"])
    joint = JointEncoder(members)
    assert joint.units.roi_membership.values.T.tolist() == [
        [True, True, False, False, False, False],
        [False, False, True, True, True, False],
        [False, False, False, False, False, True],
    ]


def test_selection_keeps_order_and_drops_members_that_lose_all():
    joint = JointEncoder([members_of("V1", 4, 0), members_of("V2", 3, 10), members_of("V3", 2, 20)])
    whole = joint.encode(IMAGES, device="cpu").values
    chosen = joint.select(unit=[8, 1, 0])
    assert len(chosen.members) == 2
    assert np.allclose(chosen.encode(IMAGES, device="cpu").values, whole[:, [0, 1, 8]], atol=1e-5)
    assert chosen.units.model_roi.values.tolist() == ["V1", "V1", "V3"]


def test_eeg_subjects_are_stacked():
    backbone = tiny_backbone()
    members = [eeg(backbone=backbone, subject=number) for number in (3, 1)]
    responses = JointEncoder(members).encode(IMAGES, device="cpu")
    assert responses.dims == ("stimulus", "subject", "repetition", "channel", "time")
    assert responses.subject.values.tolist() == [3, 1]
    for place, member in enumerate(members):
        assert np.allclose(responses.values[:, place], member.encode(IMAGES, device="cpu").values, atol=1e-6)
    chosen = JointEncoder(members).select(subject=[1], channel=[2, 0], time=[0])
    assert chosen.response_shape == (1, 4, 2, 1)
    assert np.allclose(
        chosen.encode(IMAGES, device="cpu").values, responses.values[:, 1:][:, :, :, [2, 0]][..., :1], atol=1e-6
    )


def test_eeg_subjects_are_streamed_to_a_file(tmp_path):
    from braincodec.responses import open_responses

    backbone = tiny_backbone()
    joint = JointEncoder([eeg(backbone=backbone, subject=number) for number in (1, 2)])
    path = joint.encode_to(tmp_path / "eeg.zarr", IMAGES, device="cpu")
    back = open_responses(path)
    assert back.dims == ("stimulus", "subject", "repetition", "channel", "time")
    assert np.array_equal(back.values, joint.encode(IMAGES, device="cpu").values)


def test_encoders_that_differ_in_kind_of_response_are_refused():
    with pytest.raises(InputValueError, match="different response dims"):
        JointEncoder([eeg(), linear()])
    with pytest.raises(InputValueError, match="channel coordinates differ"):
        JointEncoder([eeg(), eeg().select(channel=[0, 1])])
    with pytest.raises(InputValueError, match="at least one"):
        JointEncoder([])


def test_joint_encoders_can_be_joined_again():
    first, second = JointEncoder([fwrf(2, seed=1), linear(3)]), gabor_linear(2)
    joint = JointEncoder([first, second])
    assert len(joint.members) == 3
    each = [member.encode(IMAGES, device="cpu").values for member in (first, second)]
    assert np.allclose(joint.encode(IMAGES, device="cpu").values, np.concatenate(each, 1), atol=1e-5)


def test_identity_follows_the_members_and_costs_nothing_before_it_is_asked_for(monkeypatch):
    one, other = linear(3), linear(3, subject=2)
    assert JointEncoder([one, other]).identity() == JointEncoder([linear(3), linear(3, subject=2)]).identity()
    assert JointEncoder([one, other]).identity() != JointEncoder([other, one]).identity()
    monkeypatch.setattr(LinearEncoder, "identity", lambda self: pytest.fail("weights were hashed"))
    JointEncoder([one, other])


def test_batch_size_suits_the_most_modest_member():
    assert JointEncoder([linear(3), fwrf(2)]).preferred_batch_size == fwrf(2).preferred_batch_size


def test_description_says_what_members_have_in_common():
    about = JointEncoder([fwrf(2, roi="V1"), fwrf(2, roi="V2", simulated=True)]).description
    assert (about.model, about.roi, about.simulated) == ("fmri-test", None, True)
    assert about.response_units == "zscored_within_session"
    mixed = JointEncoder([fwrf(2), fwrf(2, response_units="original")])
    assert mixed.description.response_units == "unknown"
    assert "response_units" not in mixed.encode(IMAGES[:1], device="cpu").attrs


def test_joint_encoder_is_not_saved_as_one_artefact(tmp_path):
    with pytest.raises(InputValueError, match="save its members one by one"):
        JointEncoder([fwrf(2), fwrf(2)]).save(tmp_path / "joint")
    assert not list(tmp_path.iterdir())


def test_predict_takes_one_tensor_for_each_preprocessing():
    joint = JointEncoder([fwrf(2), linear(3)])
    joint.prepare(torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        found = joint.predict(*[preprocess(IMAGES) for preprocess in joint.preprocessings])
    assert found.shape == (5, 5)


def test_vertices_are_told_apart_by_hemisphere():
    from braincodec.responses import build_units

    def surface(roi, side):
        one = fwrf(2, rois={roi: np.ones(2, bool)})
        one.units = build_units(vertex=[3, 4], hemisphere=side, rois={roi: np.ones(2, bool)}, space="fsaverage5")
        return one

    joint = JointEncoder([surface("V1", "left"), surface("V2", "right"), surface("V3", "left")])
    assert joint.units.roi_membership.values.T.tolist() == [
        [True, True, False, False, True, True],
        [False, False, True, True, False, False],
        [True, True, False, False, True, True],
    ]
