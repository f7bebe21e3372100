"""What encoders side by side compute and hold once."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.models.sharing import distinct_preprocessings, predict_each
from braincodec.models.tensors import ALIGNMENT, aligned

from ..small_models import eeg, fwrf, gabor_linear, images, linear, tiny_backbone

IMAGES = images(3, 24)
CPU = torch.device("cpu")


def prepared(encoders):
    with torch.inference_mode():
        return [encoder.prepare(CPU, torch.float32) for encoder in encoders]


def given_as(encoders):
    return {one: one(IMAGES) for one in distinct_preprocessings(encoders)}


def test_encoders_of_any_kinds_and_shapes_predict_side_by_side():
    backbone = tiny_backbone()
    encoders = prepared([eeg(backbone=backbone), fwrf(4), linear(5, backbone=backbone), gabor_linear(3), fwrf(4)])
    with torch.inference_mode():
        found = predict_each(encoders, given_as(encoders))
    for encoder, responses in zip(encoders, found, strict=True):
        assert tuple(responses.shape) == (3, *encoder.response_shape)
        wanted = encoder.encode(IMAGES, device="cpu", progress=False).values
        np.testing.assert_allclose(responses.numpy(), wanted, atol=1e-5)


@settings(max_examples=5, deadline=None)
@given(units=st.sets(st.integers(0, 5), min_size=1), parts=st.sampled_from([1, 2]))
def test_parts_of_one_fwrf_share_its_trunk_and_give_its_bits(units, parts):
    whole = fwrf(6 // parts, parts=parts)
    part = whole.select(unit=sorted(units))
    encoders = prepared([part, whole])
    with torch.inference_mode():
        own, all_of_them = predict_each(encoders, given_as(encoders))
    np.testing.assert_allclose(own.numpy(), all_of_them.numpy()[:, sorted(units)], atol=1e-5)
    both_parts = parts == 1 or (min(units) < 3 <= max(units))
    assert (part.shared_key() == whole.shared_key()) == both_parts


def test_fwrf_with_other_trunks_or_preprocessings_share_nothing():
    keys = {fwrf(3, seed=1).shared_key(), fwrf(3, seed=2).shared_key()}
    one = fwrf(3, seed=1)
    other = one.config.preprocessing.model_copy(update={"square_crop": False})
    config = one.config.model_copy(update={"preprocessing": other})
    keys.add(type(one).from_parts(config, one.tensors(), one.units, one.description).shared_key())
    assert len(keys) == 3


def test_weights_that_are_equal_are_held_once_and_predictions_stay():
    one, other, another = gabor_linear(3), gabor_linear(3, subject=2), gabor_linear(4)
    wanted = other.encode(IMAGES, device="cpu", progress=False).values
    again = gabor_linear(3, subject=2)
    again.hold_weights(one)
    another.hold_weights(one)
    assert all(tensor is one.tensors()[name] for name, tensor in again._tensors.items())
    assert another._tensors["readout.weight"] is not one._tensors["readout.weight"]
    assert another._tensors["readout.weight"].shape[1] == 4
    assert np.array_equal(again.encode(IMAGES, device="cpu", progress=False).values, wanted)


def test_weight_bytes_tell_what_is_shared_from_what_is_not():
    for encoder in (gabor_linear(3), fwrf(3), linear(4)):
        shared, own = encoder.weight_bytes()
        assert shared + own == sum(tensor.nbytes for tensor in encoder.tensors().values())
    assert fwrf(3).weight_bytes()[0] == fwrf(9).weight_bytes()[0]
    assert fwrf(9).weight_bytes()[1] == 3 * fwrf(3).weight_bytes()[1]
    assert gabor_linear(3).weight_bytes()[0] == gabor_linear(4).weight_bytes()[0] > 0


@given(offset=st.integers(1, 15), length=st.integers(1, 100))
def test_weights_begin_where_they_begin_in_every_process(offset, length):
    crooked = torch.arange(length + offset, dtype=torch.float32)[offset:]
    straight = aligned(crooked)
    assert straight.data_ptr() % ALIGNMENT == 0
    assert torch.equal(straight, crooked)
