"""The masked transformer against torch's own layers."""

from __future__ import annotations

import pytest
import torch

from braincodec.errors import InputValueError
from braincodec.models.lea.token_generator import TokenGeneratorConfig
from braincodec.models.lea.token_generator.network import Layer

from .small_lea import numbers, randomised, token_generator

IDS = torch.randint(24, (3, 16), generator=torch.Generator().manual_seed(0))
IDS[:, ::2] = 1024


def test_layer_is_torchs_post_norm_layer():
    ours = randomised(Layer(32, 4, 0.0))
    theirs = torch.nn.TransformerEncoderLayer(32, 4, 128, 0.0, "gelu", 1e-12, batch_first=True).eval()
    own = ours.state_dict()
    parts = [f"self_attn.{name}" for name in ("query", "key", "value")]
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": torch.cat([own[f"{part}.weight"] for part in parts]),
            "self_attn.in_proj_bias": torch.cat([own[f"{part}.bias"] for part in parts]),
            "self_attn.out_proj.weight": own["self_attn.proj.weight"],
            "self_attn.out_proj.bias": own["self_attn.proj.bias"],
            **{name: value for name, value in own.items() if not name.startswith("self_attn")},
        }
    )
    x = numbers(3, 9, 32)
    torch.testing.assert_close(ours(x, x), theirs(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours(x[:, 2:4], x), theirs(x)[:, 2:4], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_logits_at_some_places_are_those_of_all():
    network, embedding = token_generator(), numbers(3, 10)
    places = torch.tensor([[0, 15, 4], [1, 2, 3], [7, 7, 0]])
    every = network(IDS, embedding)
    some = network.logits_at(IDS, embedding, places)
    torch.testing.assert_close(some, every.gather(1, places[..., None].expand(-1, -1, 24)), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_every_place_depends_on_the_embedding_and_on_every_token():
    network, embedding = token_generator(), numbers(3, 10)
    before = network(IDS, embedding)
    assert not torch.isclose(before, network(IDS, embedding + 1)).all(-1).any()
    other = IDS.clone()
    other[:, 5] = (other[:, 5] + 1) % 24
    assert not torch.isclose(before, network(other, embedding)).all(-1).any()


def test_the_embedding_of_tokens_is_the_output_too():
    network = token_generator()
    before = network(IDS, numbers(3, 10))
    with torch.no_grad():
        network.token_emb.weight[23].mul_(2)
    difference = (network(torch.where(IDS == 23, 0, IDS), numbers(3, 10)) - before).abs()
    assert difference[..., 23].min() > 0
    network(IDS, numbers(3, 10)).sum().backward()
    unread = network.token_emb.weight.grad[24:1024]
    assert unread.abs().max() == 0, "ids between codebook and mask take no part"


def test_training_reaches_every_weight_and_dropout_only_acts_there():
    network = token_generator(dropout=0.4)
    embedding = numbers(3, 10)
    assert torch.equal(network(IDS, embedding), network(IDS, embedding))
    network.train()
    assert not torch.isclose(network(IDS, embedding), network(IDS, embedding)).all()
    network(IDS, embedding).logsumexp(-1).mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


@torch.inference_mode()
def test_bfloat16_stays_outside_the_network():
    embedding = numbers(3, 10)
    exact = token_generator()(IDS, embedding)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = token_generator()(IDS, embedding)
    whole = token_generator().bfloat16()(IDS, embedding.bfloat16())
    for rough in (mixed.float(), whole.float()):
        assert (rough - exact).abs().max() < 0.1 * exact.std()


def test_inputs_of_other_shapes_say_what_was_expected():
    network = token_generator()
    with pytest.raises(InputValueError, match=r"ids must have shape \(batch, 16\) and embeddings \(batch, 10\)"):
        network(IDS[:, :15], numbers(3, 10))
    with pytest.raises(InputValueError, match=r"got \(3, 16\) and \(1, 10\)"):
        network(IDS, numbers(1, 10))


@pytest.mark.parametrize(
    "values, says",
    [
        ({"heads": 7}, "768 cannot be shared by 7 heads"),
        ({"tokens": 0}, "tokens"),
        ({"codebook_size": 1}, "codebook_size"),
        ({"dropout": -0.1}, "dropout"),
        ({"decoder_depth": 24}, "unknown key 'decoder_depth'"),
    ],
)
def test_impossible_settings_are_refused(values, says):
    with pytest.raises(InputValueError, match=says):
        TokenGeneratorConfig.parse(values)


def test_published_sizes_are_the_default():
    config = TokenGeneratorConfig.parse({})
    assert (config.width, config.depth, config.tokens, config.mask_id) == (768, 24, 256, 2024)
