"""One step of training against the same step written plainly, and the network after training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from braincodec.models.fwrf import FwRF
from braincodec.models.fwrf.initial import random_trunk, trainable_names
from braincodec.models.fwrf.network import BLOCKS
from braincodec.models.fwrf.steps import NetworkInTraining
from braincodec.models.gradient_training.randomness import seeded

from ...small_models import describe, fwrf_weights, voxel_units
from ...small_models import images as small_images
from .learnable import recipe, rows

SIDES = (7, 5, 3)  # of the maps of 67-pixel images
UNITS = 4
CPU = torch.device("cpu")


def readout(units=UNITS, seed=0):
    rng = torch.Generator().manual_seed(seed)
    weights = {f"rf{m}": torch.randn(units, side, side, generator=rng) for m, side in enumerate(SIDES)}
    return weights | {"w": 0.05 * torch.randn(units, 768, generator=rng), "b": torch.zeros(units)}


def network(settings, readouts=None, precision=torch.float32):
    trunk = random_trunk(seeded([0])) | {"mu": torch.full((1, 3, 1, 1), 0.5)}
    return NetworkInTraining(trunk, readouts or [readout()], settings, CPU, precision)


def generators():
    return [seeded([5]), seeded([6])]


def plain_prediction(trunk, readout, image, momentum=0.25):
    """The network as published, with batch statistics and without dropout; moves the running statistics."""

    def normalise(name, x):
        bn = [trunk[f"{name}.bn1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *bn, training=True, momentum=momentum)

    def convolve(name, x, **how):
        return torch.relu(F.conv2d(x, trunk[f"{name}.weight"], trunk[f"{name}.bias"], **how))

    c1 = F.max_pool2d(convolve("pre.conv1.0", image - trunk["mu"], stride=4, padding=2), 3, 2)
    c2 = convolve("pre.conv2.0", c1, padding=2)
    x = convolve("enc.conv3", normalise("enc", c2))
    seen = [x]
    for number, block in enumerate(BLOCKS):
        x = convolve(f"enc.{block}.conv1", normalise(f"enc.{block}", x), padding=1)
        seen.append(x[:, :64])
        x = F.max_pool2d(x, 3, 2, padding=1) if number == 1 else x
    pooled = []
    for number, one in enumerate([torch.cat([c1, c2], 1), torch.cat(seen[:3], 1), torch.cat(seen[3:], 1)]):
        plane = readout[f"rf{number}"].flatten(1).softmax(1).view_as(readout[f"rf{number}"])
        pooled.append(torch.einsum("bchw,uhw->buc", torch.log(1 + one.abs()) * torch.tanh(one), plane))
    values = torch.cat(pooled, 2)
    return torch.einsum("buf,uf->bu", torch.log(1 + values.abs()) * torch.tanh(values), readout["w"]) + readout["b"]


def plain_loss(prediction, response, least):
    error = ((prediction - response) ** 2).sum(0)
    p, r = (x - x.mean(0) for x in (prediction.detach(), response))
    weight = ((p * r).mean(0) ** 2 / ((p * p).mean(0) * (r * r).mean(0) + 1e-6)).clamp(least, 1)
    return (weight * error).sum() / weight.mean()


@pytest.mark.parametrize("alternating", [True, False])
def test_steps_move_the_weights_as_the_published_scheme_does(alternating):
    settings = recipe(dropout=0.0, alternating=alternating, sparsity=0.1)
    data = rows(12, UNITS)
    ours = network(settings)
    trunk = {name: tensor.clone() for name, tensor in ours.trunk.items()}
    own = {name: tensor.detach().clone().requires_grad_() for name, tensor in readout().items()}
    moving = [trunk[n].detach().requires_grad_() for n in trainable_names(prefilter=True, trunk=True)]
    trunk |= dict(zip(trainable_names(prefilter=True, trunk=True), moving, strict=True))
    optimisers = [torch.optim.Adam(moving, lr=1e-3), torch.optim.Adam(own.values(), lr=1e-3)]
    for begin in (0, 6):
        images, responses = data.batch(np.arange(begin, begin + 6), np.arange(UNITS))
        ours.step(0, images, responses, generators())
        for chosen in [[one] for one in optimisers] if alternating else [optimisers]:
            prediction = plain_prediction(trunk, own, torch.from_numpy(images).float() / 255)
            loss = plain_loss(prediction, torch.from_numpy(responses), 0.1) + 0.1 * own["w"].abs().sum()
            for optimiser in optimisers:
                optimiser.zero_grad()
            loss.backward()
            for optimiser in chosen:
                optimiser.step()
    for name, tensor in (trunk | {f"readout.{n}": t for n, t in own.items()}).items():
        found = ours.readouts[0][name[8:]] if name.startswith("readout.") else ours.trunk[name]
        # Adam turns the rounding of tiny gradients into steps of up to 0.001 here and there
        assert (found - tensor).abs().mean() < (1e-2 if "running" in name else 1e-4), name


def test_responses_that_are_nan_do_not_count():
    data = rows(8, UNITS)
    images, responses = data.batch(np.arange(8), np.arange(UNITS))
    gap = responses.copy()
    gap[3, 1] = np.nan
    networks = [network(recipe()) for _ in range(2)]
    error = [net.step(0, images, values, generators()) for net, values in zip(networks, (responses, gap), strict=True)]
    assert 0 < error[1] < error[0]
    assert all(tensor.isfinite().all() for tensor in networks[1].weights().values())


def test_frozen_weights_do_not_move():
    images, responses = rows(8, UNITS).batch(np.arange(8), np.arange(UNITS))
    for settings, still in (
        (recipe(train_prefilter=False, alternating=True), "trunk.pre."),
        (recipe(train_prefilter=False, train_trunk=False), "trunk."),
    ):
        net = network(settings)
        before = net.weights()
        net.step(0, images, responses, generators())
        moved = {name for name, tensor in net.weights().items() if not torch.equal(tensor, before[name])}
        assert not {name for name in moved if name.startswith(still) and "running" not in name}
        assert {name for name in moved if name.startswith("readout-0.")} == {f"readout-0.{n}" for n in readout()}


def test_a_restored_network_takes_the_same_next_step_to_the_last_bit():
    images, responses = rows(8, UNITS).batch(np.arange(8), np.arange(UNITS))
    first, second = network(recipe(dropout=0.5, shift=3)), network(recipe(dropout=0.5, shift=3))
    first.step(0, images, responses, generators())
    tensors, scaler = first.state()
    second.restore({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, scaler)
    for net in (first, second):
        net.step(0, images, responses, generators())
    after = second.weights()
    assert all(torch.equal(tensor, after[name]) for name, tensor in first.weights().items())


def test_bfloat16_steps_stay_close_to_float32_ones():
    images, responses = rows(8, UNITS).batch(np.arange(8), np.arange(UNITS))
    errors = []
    for precision in (torch.float32, torch.bfloat16):
        net = network(recipe(), precision=precision)
        errors.append([float(net.step(0, images, responses, generators())) for _ in range(3)])
        assert all(tensor.dtype == torch.float32 for tensor in net.weights().values())
    np.testing.assert_allclose(errors[1], errors[0], rtol=0.1)


@pytest.mark.parametrize("mean", ["colour", "image"])
def test_the_trained_model_predicts_what_the_network_in_training_does(mean):
    weights = fwrf_weights(UNITS, mean)
    trunk = {name: tensor for name, tensor in weights.items() if name.startswith(("pre.", "enc.", "mu"))}
    own = {name: weights[name] for name in ("rf0", "rf1", "rf2", "w", "b")}
    net = NetworkInTraining(trunk, [own], recipe(), CPU, torch.float32)
    tensors = {f"part-1.{name}": tensor for name, tensor in weights.items()}
    model = FwRF.from_parts({"parts": 1}, tensors, voxel_units(UNITS), describe())
    pictures = small_images(2)
    expected = model.encode(pictures, device="cpu").values
    as_stored = (model.preprocessing(pictures) * 255).round().to(torch.uint8).numpy()
    np.testing.assert_allclose(net.predict(0, as_stored), expected, atol=1e-5 * expected.std())


def test_shifted_images_are_the_same_images_elsewhere():
    images = rows(2, UNITS).images[:2]
    still, shifted = network(recipe()), network(recipe(shift=2))
    assert torch.equal(still.pixels(images, seeded([1])), shifted.pixels(images))
    moved = shifted.pixels(images, seeded([1]))
    assert not torch.equal(moved, shifted.pixels(images))
    inner = shifted.pixels(images)[0, :, 10:20, 10:20]
    windows = [moved[0, :, 10 + y : 20 + y, 10 + x : 20 + x] for y in range(-2, 3) for x in range(-2, 3)]
    assert any(torch.equal(inner, window) for window in windows)
