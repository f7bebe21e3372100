"""Plain, unoptimised forms of LEA's published networks: the formulas, one batch at a time.

They stand for the published code in the benchmarks, and tests hold them against its answers. All places of all layers
are computed, as the published code does; its extra pass through the tokenizer's encoder, which only learns a shape, is
left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import count

import torch
import torch.nn.functional as F

BATCH = 4  # images that the published code decodes together
STEPS, NOISE = 11, 4.5
GROUPS, CLASSES = 32, 1000
EPSILON, EPSILON_BEHIND = 1e-5, 1e-12

Weights = Mapping[str, torch.Tensor]


def linear(w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def layer_norm(w: Weights, name: str, x: torch.Tensor, epsilon: float = EPSILON) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], epsilon)


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int) -> torch.Tensor:
    """Multi-head attention of (batch, tokens, width)."""
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (batch, head, tokens, tokens)
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


def fmri_latents(w: Weights, patterns: torch.Tensor, voxels: Sequence[int], heads: int) -> torch.Tensor:
    """Latents of patterns (batch, voxels) by the fMRI autoencoder."""
    tokens = []
    for number, region in enumerate(patterns[:, None].split(list(voxels), -1)):  # (batch, 1, voxels of region)
        name = f"patch_embed.layers.{number}"
        hidden = F.conv1d(region, w[f"{name}.0.weight"], w[f"{name}.0.bias"], padding=1)
        tokens.append(linear(w, f"{name}.1", hidden))
    x = torch.cat(tokens, 1) + w["pos_embed"][:, 1:]
    first = (w["cls_token"] + w["pos_embed"][:, :1]).expand(len(x), -1, -1)
    x = torch.cat([first, x], 1)
    for name in _numbered(w, "blocks", "norm1.weight"):
        query, key, value = linear(w, f"{name}.attn.qkv", layer_norm(w, f"{name}.norm1", x)).chunk(3, -1)
        x = x + linear(w, f"{name}.attn.proj", attention(query, key, value, heads))
        hidden = F.gelu(linear(w, f"{name}.mlp.fc1", layer_norm(w, f"{name}.norm2", x)))
        x = x + linear(w, f"{name}.mlp.fc2", hidden)
    return linear(w, "pred", layer_norm(w, "norm", x)[:, 0])


def token_logits(w: Weights, ids: torch.Tensor, embedding: torch.Tensor, heads: int) -> torch.Tensor:
    """Logits (batch, tokens, codebook size) of the token generator."""
    x = torch.cat([linear(w, "decoder_embed", embedding)[:, None], w["token_emb.weight"][ids]], 1)
    x = layer_norm(w, "ln", x + w["de_pos_emb.weight"])
    for name in _numbered(w, "decoder", "norm1.weight"):
        query, key, value = (linear(w, f"{name}.self_attn.{part}", x) for part in ("query", "key", "value"))
        gathered = linear(w, f"{name}.self_attn.proj", attention(query, key, value, heads))
        x = layer_norm(w, f"{name}.norm1", x + gathered, EPSILON_BEHIND)
        hidden = linear(w, f"{name}.linear2", F.gelu(linear(w, f"{name}.linear1", x)))
        x = layer_norm(w, f"{name}.norm2", x + hidden, EPSILON_BEHIND)
    x = layer_norm(w, "mlps.2", F.gelu(linear(w, "mlps.0", x[:, 1:])), EPSILON_BEHIND)
    logits = x @ w["token_emb.weight"].T + w["mlps_bias"]
    return logits[..., : logits.shape[-1] - CLASSES - 1]


def draw_tokens(w: Weights, embeddings: torch.Tensor, noise: torch.Tensor, heads: int) -> torch.Tensor:
    """Tokens (images, tokens) by the published procedure.

    Parameters
    ----------
    w : mapping
        Of the token generator.
    embeddings : torch.Tensor, shape (images, embedding)
    noise : torch.Tensor, shape (images, steps, 2, tokens)
        Uniform: what is drawn, and how sure each place was.
    heads : int
    """
    made = [_draw(w, embeddings[i : i + BATCH], noise[i : i + BATCH], heads) for i in range(0, len(embeddings), BATCH)]
    return torch.cat(made)


def _draw(w: Weights, embedding: torch.Tensor, noise: torch.Tensor, heads: int) -> torch.Tensor:
    steps, _, places = noise.shape[1:]
    mask_id = len(w["mlps_bias"]) - 1
    ids = sampled = torch.full((len(embedding), places), mask_id)
    for step in range(1, steps + 1):
        probability = token_logits(w, ids, embedding, heads).softmax(-1)
        uniform, other = noise[:, step - 1].unbind(1)
        cumulative = probability.cumsum(-1)
        drawn = (cumulative <= uniform[..., None] * cumulative[..., -1:]).sum(-1)
        masked = ids == mask_id
        sampled = torch.where(masked, drawn, ids)
        chosen = probability.gather(-1, sampled[..., None])[..., 0]
        sure = chosen.log() + NOISE * (1 - step / steps) * -(-other.log()).log()
        sure = torch.where(masked, sure, math.inf)
        again = torch.tensor(places * math.cos(math.pi / 2 * step / steps), dtype=torch.float32).floor()
        again = again.clamp(max=masked.sum(1) - 1).clamp(min=1).long()  # (batch,)
        threshold = sure.sort(1).values.gather(1, again[:, None])
        ids = torch.where(sure < threshold, mask_id, sampled)
    return sampled


def images_of_tokens(w: Weights, ids: torch.Tensor, groups: int = GROUPS) -> torch.Tensor:
    """Images (n, 3, height, width) of ids (n, rows, columns) by the tokenizer's decoder."""
    return torch.cat([_decode(w, ids[i : i + BATCH], groups) for i in range(0, len(ids), BATCH)])


def _decode(w: Weights, ids: torch.Tensor, groups: int) -> torch.Tensor:
    x = w["quantizer.embedding.weight"][ids].permute(0, 3, 1, 2).contiguous()
    x = _convolution(w, "decoder.conv_in", x)
    for name in _numbered(w, "decoder.mid", "conv1.weight"):
        x = _residual(w, name, x, groups)
    for level in _numbered(w, "decoder.up", "block.0.conv1.weight"):
        for name in _numbered(w, f"{level}.block", "conv1.weight"):
            x = _residual(w, name, x, groups)
        if f"{level}.upsample.conv.weight" in w:
            x = _convolution(w, f"{level}.upsample.conv", F.interpolate(x, scale_factor=2.0, mode="nearest"))
    return _convolution(w, "decoder.conv_out", _norm_and_swish(w, "decoder.norm_out", x, groups))


def _residual(w: Weights, name: str, x: torch.Tensor, groups: int) -> torch.Tensor:
    h = _convolution(w, f"{name}.conv1", _norm_and_swish(w, f"{name}.norm1", x, groups))
    h = _convolution(w, f"{name}.conv2", _norm_and_swish(w, f"{name}.norm2", h, groups))
    shortcut = w.get(f"{name}.nin_shortcut.weight")
    return h + (x if shortcut is None else F.conv2d(h, shortcut))


def _norm_and_swish(w: Weights, name: str, x: torch.Tensor, groups: int) -> torch.Tensor:
    x = F.group_norm(x, groups, w[f"{name}.weight"], w[f"{name}.bias"], EPSILON)
    return x * torch.sigmoid(x)


def _convolution(w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    weight = w[f"{name}.weight"]
    return F.conv2d(x, weight, w.get(f"{name}.bias"), padding=weight.shape[-1] // 2)


def _numbered(w: Weights, stem: str, mark: str) -> list[str]:
    """Names ``stem.0``, ``stem.1``, ... as far as there are weights ``mark`` below them."""
    names = []
    for number in count():
        if f"{stem}.{number}.{mark}" not in w:
            return names
        names.append(f"{stem}.{number}")
    return names
