"""LEA's published checkpoints as networks: read without running what is in them, sizes taken from the tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputValueError
from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.models.lea.token_generator.network import CLASSES, TokenGenerator, TokenGeneratorConfig
from braincodec.models.lea.tokenizer.network import Tokenizer, TokenizerConfig

HOLDERS = ("model", "g_model", "state_dict")  # keys under which checkpoints keep their weights
PUBLISHED_HEADS = 16  # of both transformers; no tensor tells it
MOST_DIFFERENCES_SHOWN = 3  # of either sort

Shapes = dict[str, tuple[int, ...]]


class Published(NamedTuple):
    """What a checkpoint file holds.

    Parameters
    ----------
    tensors : dict of str to numpy.ndarray
        By published name, without the prefixes of wrappers; read-only views of the file.
    settings : dict
        The training's own settings, where the file has them.
    """

    tensors: dict[str, np.ndarray[Any, Any]]
    settings: dict[str, Any]


class Kind(NamedTuple):
    """One of the three networks, as far as checkpoints need to know it.

    Parameters
    ----------
    title : str
    part : str
        Prefix of its weights in files that hold several networks.
    signature : str
        A name that only this network has.
    network, config : type
    default : dict
        Settings to compare with where the file's sizes cannot be told.
    sizes : callable
        Settings from the shapes of the tensors; may raise `KeyError` for another network's.
    """

    title: str
    part: str
    signature: str
    network: type[Any]
    config: type[Config]
    default: dict[str, Any]
    sizes: Callable[[Shapes], dict[str, Any]]


def load_fmri_autoencoder(path: str | Path, *, heads: int | None = None) -> FMRIAutoencoder:
    """The fMRI autoencoder of a published checkpoint.

    Parameters
    ----------
    path : str or Path
        ``{'model': state_dict, ...}`` with names such as ``module.transformer.cls_token``.
    heads : int, optional
        Attention heads. Default: what the file's own settings say, else the published 16.

    Returns
    -------
    FMRIAutoencoder
        In float32, in evaluation mode; regions, voxels and all sizes as in the file.

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
        When the file is absent, corrupt or asks for code to be run.
    InputValueError
        When it holds another network; the first names and shapes that differ are listed.
    """
    return _load(path, FMRI_AUTOENCODER, heads)


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The image tokenizer of a published checkpoint; parameters, errors as for `load_fmri_autoencoder`.

    A token generator's checkpoint that has the tokenizer inside (names with ``vqgan.``) serves as well.
    """
    network: Tokenizer = _load(path, TOKENIZER, None)
    return network.to_channels_last()


def load_tokenizer_of(token_generator: str | Path, tokenizer: str | Path | None = None) -> Tokenizer:
    """The image tokenizer that belongs to a token generator: in a file of its own, or inside the generator's.

    Raises
    ------
    InputValueError
        When it is in neither.
    """
    if tokenizer is None and not any(name.startswith(TOKENIZER.part) for name in read_checkpoint(token_generator)[0]):
        raise InputValueError(
            f"{token_generator} holds no image tokenizer; name the checkpoint of the one that the token generator was "
            "trained with (tokenizer_checkpoint, or --tokenizer)"
        )
    return load_tokenizer(token_generator if tokenizer is None else tokenizer)


def load_token_generator(path: str | Path, *, heads: int | None = None) -> TokenGenerator:
    """The token generator of a published checkpoint; parameters and errors as for `load_fmri_autoencoder`."""
    return _load(path, TOKEN_GENERATOR, heads)


def read_checkpoint(path: str | Path) -> Published:
    """Weights of a checkpoint by their published names, each wrapper's ``module.`` taken off.

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
    """
    from braincodec.legacy import read_legacy

    content = read_legacy(path)
    if not isinstance(content, Mapping):
        raise DamagedFileError(f"{path} holds {type(content).__name__}; expected weights under the key 'model'")
    weights = next((content[key] for key in HOLDERS if isinstance(content.get(key), Mapping)), content)
    tensors = {str(name): value for name, value in weights.items() if isinstance(value, np.ndarray)}
    if not tensors or len(tensors) < len(weights):
        found = ", ".join(str(key) for key in list(content)[:8]) or "nothing"
        raise DamagedFileError(f"{path} holds no weights under 'model'; it has: {found}")
    settings = content.get("config")
    return Published(
        {re.sub(r"^(module\.)+", "", name): value for name, value in tensors.items()},
        dict(settings) if isinstance(settings, Mapping) else {},
    )


def _load(path: str | Path, kind: Kind, heads: int | None) -> Any:
    published = read_checkpoint(path)
    tensors = _part_of(published.tensors, kind)
    found: Shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    with torch.device("meta"):
        network: nn.Module = kind.network(_config(path, kind, found, heads or published.settings.get("num_heads")))
    expected: Shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if expected != found:
        what = f"{path} is no checkpoint of {kind.title}{_guess(found, kind)}"
        raise InputValueError(f"{what}: {shape_differences(found, expected)}")
    own = {name: torch.from_numpy(np.array(value, np.float32, order="C")) for name, value in tensors.items()}
    network.load_state_dict(own, assign=True)
    return network.eval()


def _part_of(tensors: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Weights of this kind of network, where the file holds several networks or names this one."""
    parts = {other.part for other in KINDS}
    own = {name.removeprefix(kind.part): value for name, value in tensors.items() if name.startswith(kind.part)}
    if own and all(any(name.startswith(part) for part in parts) for name in tensors):
        return own
    return tensors


def _config(path: str | Path, kind: Kind, found: Shapes, heads: Any) -> Config:
    """Settings as the tensors tell them; the published ones for tensors of another network, to compare with."""
    try:
        sizes = kind.sizes(found)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        return kind.config.parse(kind.default)
    if "heads" in kind.config.model_fields:
        sizes["heads"] = PUBLISHED_HEADS if heads is None else heads
    try:
        return kind.config.parse(sizes)
    except InputValueError as error:
        hint = "; the file does not say how many heads: give heads=" if "heads" in sizes and heads is None else ""
        raise InputValueError(f"{path} is no checkpoint of {kind.title}{_guess(found, kind)}: {error}{hint}") from None


def shape_differences(found: Shapes, expected: Shapes) -> str:
    """The first names and shapes that differ, of what is expected and of what is there."""
    lacking = [
        f"{name!r} has shape {found[name]} (expected {shape})" if name in found else f"{name!r} {shape} is missing"
        for name, shape in expected.items()
        if found.get(name) != shape
    ]
    foreign = [f"{name!r} {shape} is not part of it" for name, shape in found.items() if name not in expected]
    shown = [*lacking[:MOST_DIFFERENCES_SHOWN], *foreign[:MOST_DIFFERENCES_SHOWN]]
    more = len(lacking) + len(foreign) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _guess(found: Shapes, kind: Kind) -> str:
    for other in KINDS:
        if other is not kind and any(name.endswith(other.signature) for name in found):
            return f" (it looks like {other.title})"
    return ""


def _count(found: Shapes, stem: str) -> int:
    """How many numbers follow `stem` in names."""
    matcher = re.compile(re.escape(stem) + r"\.(\d+)\.")
    return len({match[1] for name in found if (match := matcher.match(name))})


def _autoencoder_sizes(found: Shapes) -> dict[str, Any]:
    regions = _count(found, "patch_embed.layers")
    width = found["cls_token"][-1]
    return {
        "voxels": tuple(found[f"patch_embed.layers.{region}.1.weight"][1] for region in range(regions)),
        "tokens_per_region": found["patch_embed.layers.0.0.weight"][0],
        "width": width,
        "depth": _count(found, "blocks"),
        "latent": found["pred.weight"][0],
        "decoder_width": found["mask_token"][-1],
        "decoder_depth": _count(found, "decoder_blocks"),
        "mlp_ratio": found["blocks.0.mlp.fc1.weight"][0] // width,
    }


def _tokenizer_sizes(found: Shapes) -> dict[str, Any]:
    base = found["encoder.conv_in.weight"][0]
    levels = _count(found, "encoder.down")
    widths = [found[f"encoder.down.{level}.block.0.conv1.weight"][0] for level in range(levels)]
    codebook_size, code_width = found["quantizer.embedding.weight"]
    return {
        "base_width": base,
        "multipliers": tuple(width // base for width in widths),
        "blocks": _count(found, "encoder.down.0.block"),
        "middle_blocks": _count(found, "encoder.mid"),
        "code_width": code_width,
        "codebook_size": codebook_size,
    }


def _token_generator_sizes(found: Shapes) -> dict[str, Any]:
    vocabulary, width = found["token_emb.weight"]
    return {
        "codebook_size": vocabulary - CLASSES - 1,
        "tokens": found["de_pos_emb.weight"][0] - 1,
        "embedding": found["decoder_embed.weight"][1],
        "width": width,
        "depth": _count(found, "decoder"),
    }


FMRI_AUTOENCODER = Kind(
    "an fMRI autoencoder", "transformer.", "patch_embed.layers.0.0.weight",
    FMRIAutoencoder, FMRIAutoencoderConfig, {"voxels": (1,)}, _autoencoder_sizes,
)  # fmt: skip
TOKENIZER = Kind(
    "an image tokenizer", "vqgan.", "quantizer.embedding.weight", Tokenizer, TokenizerConfig, {}, _tokenizer_sizes
)
TOKEN_GENERATOR = Kind(
    "a token generator", "transformer.", "token_emb.weight",
    TokenGenerator, TokenGeneratorConfig, {}, _token_generator_sizes,
)  # fmt: skip
KINDS = (FMRI_AUTOENCODER, TOKENIZER, TOKEN_GENERATOR)
