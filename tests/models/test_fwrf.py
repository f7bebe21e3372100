"""The feature-weighted receptive-field network, against its formulas written out plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.features import Preprocessing
from braincodec.models.fwrf import FwRF
from braincodec.models.fwrf.network import BLOCKS, pooled_readout, squash_, squashed_by_position

from ..small_models import describe, fwrf, fwrf_weights, images, voxel_units

IMAGES = images(3)


def plain(weights: dict[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """One network in double precision, in the words of the published description."""
    w = {name: tensor.double() for name, tensor in weights.items()}

    def convolve(name, x, **how):
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **how)

    def normalise(name, x):
        scale = w[f"{name}.bn1.weight"] / torch.sqrt(w[f"{name}.bn1.running_var"] + 1e-5)
        centred = x - w[f"{name}.bn1.running_mean"][:, None, None]
        return centred * scale[:, None, None] + w[f"{name}.bn1.bias"][:, None, None]

    def nonlinearity(x):
        return torch.log(1 + torch.abs(x)) * torch.tanh(x)

    x = image.double() - w["mu"]
    c1 = F.max_pool2d(torch.relu(convolve("pre.conv1.0", x, stride=4, padding=2)), 3, 2)
    c2 = torch.relu(convolve("pre.conv2.0", c1, padding=2))
    c3 = torch.relu(convolve("enc.conv3", normalise("enc", c2)))
    blocks, x = [], c3
    for number, block in enumerate(BLOCKS):
        x = torch.relu(convolve(f"enc.{block}.conv1", normalise(f"enc.{block}", x), padding=1))
        blocks.append(x)
        if number == 1:
            x = F.max_pool2d(x, 3, 2, padding=1)
    seen = [block[:, :64] for block in blocks]
    maps = [torch.cat([c1, c2], 1), torch.cat([c3, *seen[:2]], 1), torch.cat(seen[2:], 1)]
    assert [tuple(m.shape[1:]) for m in maps] == [(256, 27, 27), (256, 25, 25), (256, 13, 13)]
    pooled = []
    for number, one in enumerate(maps):
        plane = torch.softmax(w[f"rf{number}"].flatten(1), 1).view_as(w[f"rf{number}"])
        pooled.append(torch.einsum("bchw,uhw->buc", nonlinearity(one), plane))
    features = nonlinearity(torch.cat(pooled, 2))  # (batch, units, 768)
    return torch.einsum("buf,uf->bu", features, w["w"]) + w["b"]


def expected(model: FwRF, array: np.ndarray = IMAGES) -> np.ndarray:
    image = model.preprocessing(array)
    return torch.cat([plain(part, image) for part in model._parts()], 1).numpy()


def assert_close(found, wanted, share=1e-5):
    assert found.shape == wanted.shape
    assert np.abs(np.asarray(found) - wanted).max() < share * wanted.std()


@pytest.mark.parametrize("mean", ["colour", "image"])
@pytest.mark.parametrize("parts", [1, 2])
def test_network_computes_the_published_formulas(mean, parts):
    model = fwrf(4, parts=parts, mean=mean)
    responses = model.encode(IMAGES, device="cpu")
    assert responses.dtype == np.float32
    assert responses.dims == ("stimulus", "unit")
    assert_close(responses.values, expected(model))


@pytest.fixture(scope="module")
def model():
    return fwrf(5, parts=2)


@pytest.fixture(scope="module")
def wanted(model):
    return expected(model)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
def test_batch_size_does_not_matter(model, wanted, batch_size):
    assert_close(model.encode(IMAGES, device="cpu", batch_size=batch_size).values, wanted)


def test_batch_of_one_equals_first_row_of_batch(model, wanted):
    assert_close(model.encode(IMAGES[:1], device="cpu").values, wanted[:1])


@pytest.mark.parametrize(
    "turned", [lambda x: x[:, ::-1, ::-1], lambda x: np.moveaxis(np.moveaxis(x, 3, 1).copy(), 1, 3)]
)
def test_images_of_any_memory_layout(model, turned):
    array = turned(IMAGES)
    assert not array.flags.c_contiguous
    assert_close(model.encode(array, device="cpu").values, expected(model, np.ascontiguousarray(array)))


def test_channels_first_images_of_another_size(model):
    larger = images(2, size=304, seed=3)
    wanted = expected(model, larger)
    assert_close(model.encode(np.moveaxis(larger, 3, 1), device="cpu").values, wanted)
    assert_close(model.encode(np.moveaxis(larger, 3, 1).astype(np.int64), device="cpu").values, wanted)


def test_tensors_that_are_not_contiguous(wanted):
    def spread(tensor):
        wide = torch.stack([tensor, tensor], -1)
        return wide[..., 0]

    weights = {f"part-{p}.{n}": spread(t) for p in (1, 2) for n, t in fwrf_weights(5, seed=p).items()}
    model = FwRF.from_parts({"parts": 2}, weights, voxel_units(10), describe())
    assert_close(model.encode(IMAGES, device="cpu").values, wanted)


def test_bfloat16_is_close(model, wanted):
    found = model.encode(IMAGES, device="cpu", dtype="bfloat16").values
    assert 1e-5 * wanted.std() < np.abs(found - wanted).max() < 0.1 * wanted.std()
    # and leaves nothing behind
    assert_close(model.encode(IMAGES, device="cpu").values, wanted)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_gives_the_same_numbers(model, wanted):
    assert_close(model.encode(IMAGES, device="cuda").values, wanted, share=1e-4)


@pytest.mark.parametrize("chosen", [[0], [7], [4, 5], [9, 1, 3], [3, 3], np.arange(10) % 2 == 0, -1, slice(2, 8)])
def test_selected_units_have_the_same_responses_and_labels_in_the_models_order(model, wanted, chosen):
    selected = model.select(unit=chosen)
    rows = np.unique(np.arange(10)[chosen])
    assert_close(selected.encode(IMAGES, device="cpu").values, wanted[:, rows])
    assert selected.units["k"].values.tolist() == model.units["k"].values[rows].tolist()
    assert selected.config.parts == len({row // 5 for row in rows})


def test_a_part_without_units_is_not_computed(model):
    assert not any(name.startswith("part-2") for name in model.select(unit=[1, 2]).tensors())


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"unit": [10]}, "unit: index 10 is out of bounds"),
        ({"unit": []}, "nothing is left: no unit"),
        ({"unit": np.zeros(10, bool)}, "nothing is left"),
        ({"unit": np.ones(3, bool)}, "unit: .*boolean"),
        ({"channel": [0]}, r"cannot select by \['channel'\]; the dims are unit"),
    ],
)
def test_impossible_selection_is_refused(model, chosen, message):
    with pytest.raises(InputValueError, match=message):
        model.select(**chosen)


@pytest.mark.parametrize("tile", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("batch", [1, 4])
def test_tiles_of_any_height_give_the_same(tile, batch):
    rng = torch.Generator().manual_seed(0)
    maps = [torch.rand(batch, 256, side, side, generator=rng) for side in (5, 4, 3)]
    pooling = [torch.rand(7, side * side, generator=rng).softmax(1) for side in (5, 4, 3)]
    weight, bias = torch.randn(7, 3, 1, 256, generator=rng), torch.randn(7, generator=rng)
    found = pooled_readout(squashed_by_position(maps), pooling, weight, bias, units_a_tile=tile)
    squashed = [torch.log1p(m.double()) * torch.tanh(m.double()) for m in maps]
    pooled = torch.stack(
        [torch.einsum("bcp,up->buc", m.flatten(2), p.double()) for m, p in zip(squashed, pooling, strict=True)], 2
    )
    features = torch.log1p(pooled) * torch.tanh(pooled)  # (batch, units, 3, 256)
    wanted = torch.einsum("bumc,umc->bu", features, weight[:, :, 0].double()) + bias
    assert found.dtype == torch.float32
    assert (found - wanted).abs().max() < 1e-5 * wanted.std()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e4, width=32), min_size=1, max_size=30))
def test_squashing_is_the_published_nonlinearity(values):
    x = torch.tensor(values, dtype=torch.float32)
    wanted = torch.log(1 + x.double()) * torch.tanh(x.double())
    found = squash_(x.clone(), torch.empty_like(x))
    assert torch.allclose(found.double(), wanted, rtol=1e-5, atol=1e-7)


def broken(**changes):
    weights = {f"part-1.{name}": tensor for name, tensor in fwrf_weights(3).items()}
    for name, tensor in changes.items():
        if tensor is None:
            del weights[name]
        else:
            weights[name] = tensor
    return FwRF.from_parts({}, weights, voxel_units(3), describe())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part-1.rf1": None}, "weights lack 'rf1'"),
        ({"part-1.enc.conv5a.bn1.running_var": None}, "weights lack 'enc.conv5a.bn1.running_var'"),
        ({"part-1.pre.conv1.0.bias": None}, "weights lack 'pre.conv1.0.bias'"),
        ({"part-1.mu": torch.zeros(1, 3, 5, 5)}, "mean image must be 1 x 1 or 227 square"),
        ({"part-1.w": torch.zeros(3, 700)}, r"'w' has shape \(3, 700\), expected \(None, 768\)"),
        ({"part-1.b": torch.zeros(4)}, "different numbers of units"),
        ({"part-1.enc.conv6b.conv1.weight": torch.zeros(128, 128, 3, 3)}, "conv6b"),
    ],
)
def test_weights_that_do_not_fit_are_named(changes, message):
    with pytest.raises(InputValueError, match=message):
        broken(**changes)


def test_units_that_do_not_fit_the_weights_are_refused():
    weights = {f"part-1.{name}": tensor for name, tensor in fwrf_weights(3).items()}
    with pytest.raises(InputValueError, match="predict 3 units, the table of units has 4"):
        FwRF.from_parts({}, weights, voxel_units(4), describe())
    with pytest.raises(InputValueError, match="227 x 227"):
        FwRF.from_parts({"preprocessing": Preprocessing(resize=(224, 224))}, weights, voxel_units(3), describe())
    with pytest.raises(InputValueError, match="parts"):
        FwRF.from_parts({"parts": 0}, {}, voxel_units(3), describe())
