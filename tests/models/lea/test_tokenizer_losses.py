"""Terms of the tokenizer's loss against their formulas and other implementations, and where their gradients go."""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from braincodec.errors import InputValueError, MissingExtraError, UnknownNameError
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import Preprocessing
from braincodec.features.torchvision_compat import import_torchvision
from braincodec.models.lea.tokenizer import perceptual as module
from braincodec.models.lea.tokenizer.codebook_usage import CodebookUsage
from braincodec.models.lea.tokenizer.discriminator import Discriminator, levels_for
from braincodec.models.lea.tokenizer.losses import (
    adaptive_weight,
    adversarial_error,
    codebook_errors,
    discriminator_error,
    entropy_penalty,
    perplexity,
    reconstruction_error,
)
from braincodec.models.lea.tokenizer.perceptual import PerceptualDistance, open_perceptual_distance

from .small_lea import numbers, tokenizer

VGG_SLICES = {"slice1": 0, "slice2": 4, "slice3": 9, "slice4": 16, "slice5": 23}  # first layer of each


@given(arrays.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 1000)).filter(lambda one: one.sum() > 0))
@settings(max_examples=40, deadline=None)
def test_perplexity_is_the_exponential_of_the_entropy_and_counts_used_entries_at_most(counts):
    found = perplexity(torch.from_numpy(counts))
    assert found == pytest.approx(np.exp(scipy.stats.entropy(counts)))
    assert 1 - 1e-9 <= found <= np.count_nonzero(counts) + 1e-9


@pytest.mark.parametrize("kind", ["absolute", "squared"])
def test_reconstruction_errors_are_those_of_numpy(kind):
    images, truth = numbers(3, 3, 4, 6), numbers(3, 3, 4, 6, seed=2)
    difference = (images - truth).numpy().reshape(3, -1)
    expected = {"absolute": np.abs(difference), "squared": difference**2}[kind].mean(1)
    np.testing.assert_allclose(reconstruction_error(images, truth, kind), expected, rtol=1e-5)


def test_codebook_terms_move_entries_and_vectors_each_alone():
    latents, quantised = numbers(2, 4, 3, 3).requires_grad_(), numbers(2, 4, 3, 3, seed=2).requires_grad_()
    codebook, commitment = codebook_errors(latents, quantised)
    assert codebook.item() == commitment.item()
    both = [latents, quantised]
    to_latents, to_entries = torch.autograd.grad(codebook, both, allow_unused=True)
    assert to_latents is None and to_entries.abs().min() > 0
    to_latents, to_entries = torch.autograd.grad(commitment, both, allow_unused=True)
    assert to_entries is None and to_latents.abs().min() > 0


def test_entropy_penalty_is_that_of_scipys_softmax_of_distances():
    latents, codebook = numbers(2, 4, 3, 3).double(), numbers(7, 4, seed=2).double()
    vectors = latents.movedim(1, -1).reshape(-1, 4)
    shares = scipy.special.softmax(-(torch.cdist(vectors, codebook) ** 2).numpy() / 2.0, axis=1)
    expected = scipy.stats.entropy(shares, axis=1).mean() - scipy.stats.entropy(shares.mean(0))
    assert float(entropy_penalty(latents, codebook, 2.0)) == pytest.approx(expected, rel=1e-4)


def test_entropy_penalty_has_a_finite_slope_where_entries_are_far_from_all_vectors():
    latents, codebook = numbers(1, 4, 3, 3).requires_grad_(), (100 * numbers(7, 4, seed=2)).requires_grad_()
    slopes = torch.autograd.grad(entropy_penalty(latents, codebook), [latents, codebook])
    assert all(slope.isfinite().all() for slope in slopes)


def test_gradients_of_the_whole_loss_reach_every_weight_but_for_unused_entries():
    network, truth = tokenizer(), numbers(2, 3, 8, 8).sigmoid()
    made = network(truth)
    codebook, commitment = codebook_errors(made.latents, made.quantised)
    (reconstruction_error(made.images, truth).mean() + codebook + commitment).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name
    moved = network.codebook.grad.abs().sum(1).nonzero()[:, 0]
    assert moved.tolist() == made.ids.unique().tolist()
    network.zero_grad()
    entropy_penalty(network.encode(truth), network.codebook).backward()
    assert network.encoder.conv_in.weight.grad.abs().sum() > 0 and network.codebook.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in network.decoder.parameters())


def test_adversarial_terms_pull_apart():
    on_images, on_made = numbers(5).requires_grad_(), numbers(5, seed=2).requires_grad_()
    error = discriminator_error(on_images, on_made)
    values = [one.detach().numpy() for one in (on_images, on_made)]
    assert error.item() == pytest.approx((np.maximum(0, 1 - values[0]) + np.maximum(0, 1 + values[1])).mean() / 2)
    up, down = torch.autograd.grad(error, [on_images, on_made])
    assert up.max() <= 0 <= down.min()  # descending raises numbers of images, and lowers those of reconstructions
    (back,) = torch.autograd.grad(adversarial_error(on_made), on_made)
    assert back.max() < 0


def test_the_adaptive_weight_makes_both_terms_pull_as_hard_on_the_last_layer():
    network, truth, judge = tokenizer(), numbers(2, 3, 8, 8).sigmoid(), Discriminator(1, 8)
    made = network(truth).images
    reference, adversarial = reconstruction_error(made, truth).mean(), adversarial_error(judge(made))
    last = network.decoder.conv_out.weight
    weight = adaptive_weight(reference, adversarial, last)
    assert not weight.requires_grad
    pulls = [torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (reference, weight * adversarial)]
    torch.testing.assert_close(*pulls, rtol=0.02, atol=0)


@given(st.integers(8, 70), st.integers(8, 70))
@settings(max_examples=15, deadline=None)
def test_a_discriminator_of_fitting_depth_judges_images_of_any_size(height, width):
    with torch.no_grad():
        judged = Discriminator(levels_for(min(height, width)), 8)(torch.zeros(2, 3, height, width))
    assert judged.shape[:2] == (2, 1) and judged.numel() >= 2


def test_a_judgement_depends_on_its_patch_alone_but_for_the_norms():
    judge = Discriminator(2, 8)
    for block in judge.blocks:
        block.norm = nn.Identity()
    image = numbers(1, 3, 64, 64).requires_grad_()
    judge(image)[0, 0, 2, 2].backward()
    seen = image.grad.abs().sum((0, 1)).nonzero()
    assert 10 < int(seen.max()) < 40  # of 64


def test_dead_entries_move_to_vectors_of_the_batch_and_the_optimiser_forgets_them():
    network = tokenizer()
    codebook = network.quantizer.embedding.weight
    optimiser = torch.optim.Adam([codebook], lr=0.1)
    codebook.square().sum().backward()
    optimiser.step()
    usage, latents = CodebookUsage(24, fresh=False), numbers(2, 8, 5, 5)
    usage.shares[[3, 20]] = 0.0
    before = codebook.detach().clone()
    generator = torch.Generator().manual_seed(0)
    assert usage.restart(codebook, latents, 0.03, optimiser, generator) == 2
    others = [number for number in range(24) if number not in (3, 20)]
    assert torch.equal(codebook[others], before[others])
    vectors = latents.movedim(1, -1).flatten(0, -2)
    assert all((vectors == codebook[dead]).all(1).any() for dead in (3, 20))
    moments = optimiser.state[codebook]
    assert moments["exp_avg"][[3, 20]].abs().sum() == 0 < moments["exp_avg"][others].abs().min()
    assert usage.restart(codebook, latents, 0.03, optimiser, generator) == 0


def test_a_fresh_codebook_is_taken_from_the_first_batch_even_where_that_is_small():
    network = tokenizer()
    codebook = network.quantizer.embedding.weight
    usage = CodebookUsage(24, fresh=True)
    latents = numbers(1, 8, 2, 2)
    usage.update(network.quantise(latents))
    moved = usage.restart(codebook, latents, 0.5, torch.optim.Adam([codebook]), torch.Generator().manual_seed(0))
    assert moved >= 20  # all but the few that four vectors were nearest to
    assert len(codebook.unique(dim=0)) == 24


@pytest.fixture(scope="module")
def lpips_over_vgg():
    try:
        import_torchvision()
    except MissingExtraError as error:
        pytest.skip(str(error))
    pytest.importorskip("lpips")
    return open_perceptual_distance("torchvision:vgg16@none-1")


@pytest.mark.slow
def test_lpips_is_that_of_the_package_over_the_same_trunk(lpips_over_vgg):
    import lpips

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    for name, first in VGG_SLICES.items():
        for number, layer in enumerate(getattr(reference.net, name)):
            layer.load_state_dict(lpips_over_vgg.network.features[first + number].state_dict())
    pair = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = reference(*(2 * pair - 1)).flatten()
        torch.testing.assert_close(lpips_over_vgg(*pair), expected, rtol=1e-4, atol=1e-7)


def edges() -> PerceptualDistance:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3), nn.ReLU(inplace=True))
    return PerceptualDistance(Backbone("edges", network, Preprocessing(mean=(0.5,) * 3)), ["0", "2"])


def test_a_distance_pulls_reconstructions_towards_the_truth_and_nothing_else():
    distance = edges()
    truth, made = numbers(2, 3, 12, 12).sigmoid().requires_grad_(), numbers(2, 3, 12, 12, seed=5).sigmoid()
    made.requires_grad_()
    before = distance(made, truth)
    before.sum().backward()
    assert truth.grad is None and all(weight.grad is None for weight in distance.parameters())
    assert (distance(made.detach() - 0.1 * made.grad, truth) < before).all()
    assert distance(truth, truth).abs().max() == 0


def test_blank_images_have_a_finite_slope():
    distance = edges()
    with torch.no_grad():
        for weight in distance.network.parameters():
            weight.zero_()
    blank = torch.zeros(1, 3, 12, 12, requires_grad=True)
    distance(blank, torch.ones(1, 3, 12, 12)).sum().backward()
    assert blank.grad.isfinite().all()


def test_the_network_to_compare_images_in_is_named_or_found(monkeypatch, tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "efficientnet_lite:0" in open_perceptual_distance("auto").description
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / module.VGG_FILE).touch()
    asked = []

    def refuse(name):
        asked.append(name)
        raise InputValueError(name)

    monkeypatch.setattr(module, "get_backbone", refuse)
    with pytest.raises(InputValueError):
        open_perceptual_distance("auto")
    assert asked == ["torchvision:vgg16"]


def test_networks_without_known_layers_need_them_named():
    with pytest.raises(InputValueError, match="name the layers of 'gabor:bank'"):
        open_perceptual_distance("gabor:bank")
    with pytest.raises(UnknownNameError, match="layer"):
        open_perceptual_distance("gabor:bank", ["nowhere"])
    with pytest.raises(UnknownNameError, match="scheme"):
        open_perceptual_distance("torchvison:vgg16")
