"""The network that a training of the fMRI autoencoder starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from braincodec.errors import InputTypeError, InputValueError
from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.models.lea.fmri_autoencoder.trunk import Trunk, read_trunk, trunk_of, trunk_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings

Start = FMRIAutoencoder | str | Path

# from which components are taken: enough for those that an embedding holds
MOST_PATTERNS = 2000
# of a new network's outputs, as a share of the patterns' deviation: near the mean pattern, yet not blind
FIRST_OUTPUTS = 0.5
# of a region whose voxels are all constant
SMALLEST_VARIANCE = 1e-6


def read_start(start: Start | None, settings: FMRIAutoencoderSettings) -> Trunk | None:
    """Weights to start from; None for a new network.

    Raises
    ------
    InputTypeError, InputValueError
        When `start` is something else, or its sizes are not those that the settings give.
    """
    if start is None:
        return None
    if not isinstance(start, Start):
        raise InputTypeError(f"start must be an FMRIAutoencoder or a path, not {type(start).__name__}")
    trunk = trunk_of(start) if isinstance(start, FMRIAutoencoder) else read_trunk(start)
    _check_sizes(trunk, settings, "the network to start from" if isinstance(start, FMRIAutoencoder) else str(start))
    return trunk


def first_network(
    train: NDArray[np.float32],
    voxels: Sequence[int],
    settings: FMRIAutoencoderSettings,
    trunk: Trunk | None,
    subject: str,
) -> FMRIAutoencoder:
    """A network for regions of so many voxels: new, or over a trunk.

    Embeddings of the trunk are taken where they are this subject's, or where it is not known whose they are, and
    regions have the same voxels; others are new. Random numbers come from torch's global generator.

    Parameters
    ----------
    train : array of float32, shape (patterns, voxels)
        Standardised training patterns, from whose principal components new embeddings begin.
    voxels : sequence of int
    settings : FMRIAutoencoderSettings
    trunk : Trunk, optional
        As `read_start` gives it.
    subject : str
        ``"<data set>/<subject>"``.
    """
    sizes = settings.network(voxels) if trunk is None else trunk.config
    network = FMRIAutoencoder(sizes.model_copy(update={"voxels": tuple(voxels), "dropout": settings.dropout}))
    known_voxels, known = (trunk.embeddings.get(subject) or trunk.embeddings.get("") if trunk else None) or ((), {})
    if known_voxels != tuple(voxels):
        known = {}
        begin_at_components(network, train)
    if trunk is None:
        nn.init.kaiming_normal_(network.decoder_pred.weight, nonlinearity="linear")
    else:
        network.load_state_dict(network.state_dict() | trunk.weights | known)
    return network


@torch.no_grad()
def begin_at_components(network: FMRIAutoencoder, train: NDArray[np.float32]) -> None:
    """Let each region's embeddings read, and write, the principal components of its voxels, randomly rotated.

    From the published start a class token hears next to nothing of the voxels (convolutions are small, and a random
    projection of a thousand voxels is mostly noise): training then waits for many epochs, or for ever.

    Parameters
    ----------
    network : FMRIAutoencoder
    train : array of float32, shape (patterns, voxels)
    """
    step = -(-len(train) // MOST_PATTERNS)
    patterns = torch.from_numpy(np.ascontiguousarray(train[::step]))
    regions = patterns.split(network.config.voxels, 1)
    for read, write, region in zip(network.patch_embed.layers, network.channel_mapper, regions, strict=True):
        convolution, reading, writing = (*read.children(), *write.children())
        assert isinstance(convolution, nn.Conv1d) and isinstance(reading, nn.Linear) and isinstance(writing, nn.Linear)
        # what it gives varies as much as what it takes (He et al. 2015)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="linear")
        _, spread, axes = torch.linalg.svd(region, full_matrices=False)  # axes (components, voxels)
        spread = spread / len(region) ** 0.5
        kept = min(len(spread), len(reading.weight))
        variance = spread[:kept].square().sum().clamp(min=SMALLEST_VARIANCE)
        scale = (len(reading.weight) / variance).sqrt()  # to unit variance of a token's values
        reading.weight.copy_(scale * _rotation(len(reading.weight), kept) @ axes[:kept])
        kept = min(len(spread), writing.weight.shape[1])
        rotated = _rotation(kept, writing.weight.shape[1])
        writing.weight.copy_(FIRST_OUTPUTS * (axes[:kept].T * spread[:kept]) @ rotated)


def _rotation(rows: int, columns: int) -> torch.Tensor:
    """Random, with orthonormal rows or columns, whichever are fewer."""
    weights = torch.empty(rows, columns)
    nn.init.orthogonal_(weights)
    return weights


def _check_sizes(trunk: Trunk, settings: FMRIAutoencoderSettings, what: str) -> None:
    from braincodec.models.lea.checkpoints import shape_differences

    theirs = trunk.config.model_dump()
    others = [
        f"{name} {theirs[name]}, not {size}" for name, size in settings.given_sizes.items() if theirs[name] != size
    ]
    if not others:
        return
    expected = trunk_shapes(FMRIAutoencoderConfig.parse({**theirs, **settings.given_sizes}))
    found = trunk_shapes(trunk.config)
    differing = f"; {shape_differences(found, expected)}" if found != expected else ""
    raise InputValueError(
        f"{what} has other sizes than the settings ({', '.join(others)}){differing}; leave sizes out to take its own"
    )
