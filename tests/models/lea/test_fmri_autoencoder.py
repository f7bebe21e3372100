"""The fMRI autoencoder at any regions, against torch's own layers, and what masking hides."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoderConfig, draw_hidden_voxels
from braincodec.models.lea.fmri_autoencoder.network import Block
from braincodec.models.lea.fmri_autoencoder.reconstruction import hiding_runs

from .small_lea import autoencoder, numbers, randomised

REGIONS = st.lists(st.integers(1, 40), min_size=1, max_size=6).map(tuple)


@pytest.mark.parametrize("width, mlp_ratio", [(16, 1), (24, 4)])
def test_block_is_torchs_pre_norm_layer(width, mlp_ratio):
    ours = randomised(Block(width, 4, mlp_ratio, 0.0))
    theirs = torch.nn.TransformerEncoderLayer(
        width, 4, mlp_ratio * width, 0.0, "gelu", batch_first=True, norm_first=True
    ).eval()
    names = {"attn.qkv.": "self_attn.in_proj_", "attn.proj": "self_attn.out_proj", "mlp.fc": "linear"}
    renamed = {}
    for name, value in ours.state_dict().items():
        for published, torchs in names.items():
            name = name.replace(published, torchs)
        renamed[name] = value
    theirs.load_state_dict(renamed)
    x = numbers(3, 7, width)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours(x, slice(1, 3)), theirs(x)[:, 1:3], atol=1e-5, rtol=1e-5)


@given(REGIONS, st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_any_regions_and_voxels(voxels, batch):
    network = autoencoder(voxels, depth=1, decoder_depth=1)
    patterns = numbers(batch, sum(voxels))
    latents = network.encode(patterns)
    assert latents.shape == (batch, 12)
    assert network.decode(latents).shape == patterns.shape
    torch.testing.assert_close(network(patterns)[:1], network(patterns[:1]), atol=1e-5, rtol=1e-5)


def test_reconstruction_depends_on_every_voxel_and_only_by_way_of_the_latent():
    network = autoencoder()
    patterns = numbers(1, 21).requires_grad_()
    network(patterns).square().sum().backward()
    assert (patterns.grad != 0).all()
    latent = network.encode(patterns).detach()
    torch.testing.assert_close(network.decode(latent), network(patterns))


def test_convolution_of_the_output_does_not_cross_regions():
    network = autoencoder((4, 4))
    latent = numbers(1, 12)
    before = network.decode(latent)
    with torch.no_grad():
        network.channel_mapper[1][0].bias.add_(1.0)
    after = network.decode(latent)
    assert torch.equal(before[:, :4], after[:, :4]) and not torch.isclose(before[:, 4:], after[:, 4:]).any()


def test_wrong_number_of_voxels_says_what_was_expected():
    with pytest.raises(InputValueError, match=r"\(batch, 21\), voxels of 3 regions \(9, 5, 7\); got \(2, 20\)"):
        autoencoder()(numbers(2, 20))
    with pytest.raises(InputValueError):
        autoencoder().encode(numbers(21))


@pytest.mark.parametrize(
    "values, says",
    [
        ({"voxels": ()}, "voxels"),
        ({"voxels": (3, 0)}, "voxels.1"),
        ({"voxels": (3,), "width": 30}, "width 30 cannot be shared by 16 heads"),
        ({"voxels": (3,), "decoder_width": 9, "heads": 3, "width": 6}, "decoder_width 9 must be even"),
        ({"voxels": (3,), "depth": 0}, "depth"),
        ({"voxels": (3,), "dropout": 1.0}, "dropout"),
        ({"voxels": (3,), "patch_size": 32}, "unknown key 'patch_size'"),
        ({}, "voxels is missing"),
    ],
)
def test_impossible_settings_are_refused(values, says):
    with pytest.raises(InputValueError, match=says):
        FMRIAutoencoderConfig.parse(values)


def test_published_sizes_are_the_default():
    config = FMRIAutoencoderConfig.parse({"voxels": (1004, 801)})
    assert (config.depth, config.width, config.heads, config.mlp_ratio) == (24, 1024, 16, 1)
    assert (config.decoder_depth, config.decoder_width, config.latent, config.tokens) == (8, 512, 1024, 64)


def test_hidden_voxels_cannot_change_what_is_shown():
    network, patterns = autoencoder(), numbers(3, 21) + 9
    hide = hiding_runs(0.5, 2)
    shown = hide(patterns, network, torch.Generator().manual_seed(0))
    hidden = shown == 0
    assert 0.3 < hidden.float().mean() < 0.7
    torch.testing.assert_close(shown[~hidden], patterns[~hidden])
    other = torch.where(hidden, patterns + 5, patterns)
    assert torch.equal(hide(other, network, torch.Generator().manual_seed(0)), shown)


@given(
    REGIONS.filter(lambda voxels: len(voxels) > 1),
    st.floats(0.01, 0.99),
    st.one_of(st.none(), st.integers(1, 20)),
    st.integers(0, 9),
)
@settings(max_examples=50, deadline=None)
def test_masks_hide_whole_runs_and_leave_something_to_see(voxels, share, run, seed):
    def draw():
        return draw_hidden_voxels(voxels, 4, generator=torch.Generator().manual_seed(seed), share=share, run=run)

    hidden = draw()
    assert hidden.shape == (4, sum(voxels)) and torch.equal(hidden, draw())
    assert hidden.any(1).all() and not hidden.all(1).any()
    runs = [piece for region in hidden.split(voxels, 1) for piece in region.split(run or region.shape[1], 1)]
    assert all((piece.all(1) == piece.any(1)).all() for piece in runs)
    counts = torch.stack([piece.any(1) for piece in runs]).sum(0)
    assert (counts == min(max(1, round(share * len(runs))), len(runs) - 1)).all()


def test_patterns_of_a_batch_are_hidden_differently():
    hidden = draw_hidden_voxels((64, 64), 8, generator=torch.Generator().manual_seed(0), run=4)
    assert len({tuple(row.tolist()) for row in hidden}) == 8


@pytest.mark.parametrize("how", [{"share": 0.0}, {"share": 1.0}, {"run": 0}, {"run": -3}, {"run": 100}])
def test_masks_that_hide_all_or_nothing_are_refused(how):
    with pytest.raises(InputValueError, match="share between 0 and 1 of at least two runs"):
        draw_hidden_voxels((30,), 2, generator=torch.Generator(), **how)


def test_two_subjects_share_one_trunk():
    first = autoencoder()
    second = first.sharing_trunk((6, 8)).eval()
    shared = {id(weight) for weight in first.parameters()} & {id(weight) for weight in second.parameters()}
    own = {name for name, weight in second.named_parameters() if id(weight) not in shared}
    assert {name.split(".")[0] for name in own} == {"patch_embed", "channel_mapper"}
    assert second(numbers(2, 14)).shape == (2, 14)

    before = first(numbers(2, 21)).detach()
    torch.optim.SGD(second.parameters(), 0.1).zero_grad()
    second(numbers(2, 14)).square().mean().backward()
    torch.optim.SGD(second.parameters(), 0.1).step()
    assert not torch.isclose(first(numbers(2, 21)), before).all()
    assert first.config.voxels == (9, 5, 7) and first.pos_embed.shape == (1, 13, 16)


def test_training_reaches_every_weight_and_dropout_only_acts_there():
    network = autoencoder(dropout=0.5)
    patterns = numbers(4, 21)
    assert torch.equal(network(patterns), network(patterns))
    network.train()
    assert not torch.isclose(network(patterns), network(patterns)).all()
    network(patterns).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


@torch.inference_mode()
def test_bfloat16_stays_outside_the_network():
    network, patterns = autoencoder(), numbers(4, 21)
    exact = network(patterns)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network(patterns)
    whole = autoencoder().bfloat16()(patterns.bfloat16())
    assert whole.dtype == torch.bfloat16
    for rough in (mixed.float(), whole.float()):
        assert (rough - exact).abs().max() < 0.1 * exact.std()
