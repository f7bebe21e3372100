"""Latents of fMRI patterns: those of the autoencoder, principal components, or the voxels themselves.

Each kind is a network with ``encode`` (patterns, voxels) -> (patterns, latent) and ``decode`` back to every voxel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np
import torch
from torch import nn

from braincodec.device import fast_matmul
from braincodec.errors import InputValueError
from braincodec.image_generators.sampling import placed
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.models.lea.tiles import in_tiles
from braincodec.progress import progress_bar
from braincodec.readouts.principal import principal_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

LatentKind = Literal["autoencoder", "components", "voxels"]
PREFIX = "latent."


class LatentNetwork(Protocol):
    """What every kind offers, beside what a ``torch.nn.Module`` has."""

    def encode(self, patterns: torch.Tensor) -> torch.Tensor:
        """Latents (rows, latent) of standardised patterns (rows, voxels)."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Standardised patterns (rows, voxels) of latents (rows, latent)."""


class VoxelLatent(nn.Module):
    """The patterns themselves."""

    def encode(self, patterns: torch.Tensor) -> torch.Tensor:
        """The patterns."""
        return patterns

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The patterns."""
        return latents


class ComponentLatent(nn.Module):
    """Scores of principal components of the training patterns.

    Parameters
    ----------
    axes : torch.Tensor, shape (components, voxels)
        Orthonormal rows, that of the largest variance first.
    mean : torch.Tensor, shape (voxels,)
        Of the training patterns.
    """

    axes: torch.Tensor
    mean: torch.Tensor

    def __init__(self, axes: torch.Tensor, mean: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("axes", axes)
        self.register_buffer("mean", mean)

    def encode(self, patterns: torch.Tensor) -> torch.Tensor:
        """Scores, shape (rows, components)."""
        return (patterns - self.mean) @ self.axes.T

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """What the components make up of the patterns, shape (rows, voxels)."""
        return latents @ self.axes + self.mean


def fit_components(patterns: NDArray[np.float32], components: int | None = None) -> ComponentLatent:
    """Principal components of patterns (trials, voxels).

    Parameters
    ----------
    patterns : array of float32, shape (trials, voxels)
    components : int, optional
        At most so many, those of the largest variance. Default: all.

    Raises
    ------
    InputValueError
        When the patterns do not vary.

    Examples
    --------
    >>> latent = fit_components(np.array([[0, 0, 1], [1, 0, 1], [2, 0, 1]], np.float32))
    >>> latent.axes.abs().round().tolist(), latent.decode(latent.encode(torch.ones(1, 3))).round().tolist()
    ([[1.0, 0.0, 0.0]], [[1.0, 0.0, 1.0]])
    """
    found = principal_axes(patterns, centre=True, what="voxels")
    available = found.coordinates.shape[1]
    axes = found.weights(torch.eye(min(components or available, available), available))  # (components, voxels)
    return ComponentLatent(axes.float().contiguous(), torch.from_numpy(found.mean.astype(np.float32)))


def stored_latent(
    kind: LatentKind, autoencoder: FMRIAutoencoderConfig | None, voxels: int, tensors: Mapping[str, torch.Tensor]
) -> nn.Module:
    """The network that tensors with the prefix ``latent.`` make up.

    Raises
    ------
    InputValueError
        When they do not fit the settings.
    """
    own = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    network: nn.Module
    if kind == "voxels":
        return VoxelLatent()
    if kind == "components":
        if set(own) != {"axes", "mean"} or own["axes"].ndim != 2:
            raise InputValueError(f"components are stored as latent.axes and latent.mean; found: {', '.join(own)}")
        network = ComponentLatent(own["axes"], own["mean"])
        taken = own["axes"].shape[1] if own["mean"].shape == own["axes"].shape[1:] else -1
    else:
        if autoencoder is None:
            raise InputValueError("the settings lack the sizes of the autoencoder")
        with torch.device("meta"):
            network = FMRIAutoencoder(autoencoder)
        try:
            network.load_state_dict(own, assign=True)
        except RuntimeError as error:
            raise InputValueError(f"the stored autoencoder does not fit its settings: {error}") from None
        taken = sum(autoencoder.voxels)
    if taken != voxels:
        raise InputValueError(f"the stored latents are of {taken} voxels, the model's regions have {voxels}")
    return network.eval().requires_grad_(False)


def latent_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights by name, with the prefix ``latent.``."""
    return {f"{PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}


def encode_patterns(
    network: nn.Module,
    patterns: NDArray[np.float32],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    *,
    progress: bool | None = None,
) -> NDArray[np.float32]:
    """Latents of standardised patterns.

    Parameters
    ----------
    network : torch.nn.Module
        One of the kinds above; a copy of it runs, where it is elsewhere or in another dtype.
    patterns : array of float32, shape (patterns, voxels)
    device, dtype
    progress : bool, optional

    Returns
    -------
    array of float32, shape (patterns, latent)
        In float32, a row depends on nothing but its own pattern.
    """
    running = as_latent(placed(network, device, dtype))
    given = torch.from_numpy(patterns).to(device, dtype)
    with (
        torch.inference_mode(),
        fast_matmul(device),
        progress_bar("encode fMRI", len(patterns), show=progress) as advance,
    ):
        found: NDArray[np.float32] = in_tiles(running.encode, given, on_tile=advance).float().cpu().numpy()
    return found


def as_latent(network: nn.Module) -> LatentNetwork:
    """The same network, for type checkers."""
    return cast("LatentNetwork", cast("Any", network))
