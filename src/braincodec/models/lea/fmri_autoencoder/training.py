"""Training of the fMRI autoencoder on one subject's patterns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.device import resolve_device
from braincodec.errors import InputTypeError, InputValueError
from braincodec.models.gradient_training import kept_in, train_network
from braincodec.models.lea.fmri_autoencoder.reconstruction import Reconstruction, SubjectInTraining, dropping_voxels
from braincodec.models.lea.fmri_autoencoder.start import Start, first_network, read_start
from braincodec.models.tensors import add_tensor

if TYPE_CHECKING:
    from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder
    from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings

FEWEST_PATTERNS = {"training": 2, "validation": 1}
MOST_VOXELS_NAMED = 5


class TrainedAutoencoder(NamedTuple):
    """What `fit_autoencoder` gives.

    Parameters
    ----------
    network : FMRIAutoencoder
        With the best epoch's weights, float32, on the CPU, in evaluation mode.
    curve : list of dict
        For each epoch: ``epoch``, ``error`` (mean square, of training patterns with dropped voxels) and
        ``validation_error`` (of whole patterns, as a share of their own squares: 1 is what the mean pattern has).
    best_epoch : int
        From 1; 0 where none was better than the network that training started from.
    """

    network: FMRIAutoencoder
    curve: list[dict[str, Any]]
    best_epoch: int


def fit_autoencoder(
    train: ArrayLike,
    validation: ArrayLike,
    voxels: Sequence[int],
    settings: FMRIAutoencoderSettings,
    *,
    start: Start | None = None,
    subject: str = "",
    workspace: str | Path | None = None,
    device: str | torch.device = "auto",
    progress: bool | None = None,
) -> TrainedAutoencoder:
    """Train an autoencoder to reconstruct all voxels of patterns of which some were dropped.

    Parameters
    ----------
    train, validation : array_like, shape (patterns, voxels)
        Standardised by the training patterns, voxels in the order of the regions. Repetitions of a stimulus are on
        one side. Validation chooses the epoch and ends the training early.
    voxels : sequence of int
        Of each region.
    settings : FMRIAutoencoderSettings
    start : FMRIAutoencoder, str or Path, optional
        Network, pre-trained folder or published checkpoint that training goes on from. Where its regions have other
        voxels, its trunk alone, with new embeddings. Default: a new network.
    subject : str
        Whose patterns these are, ``"<data set>/<subject>"``: a pre-trained folder may have embeddings for them.
    workspace : str or Path, optional
        Where training stands is kept here, so that the same call goes on exactly where it was cut short.
    device : str or torch.device
    progress : bool, optional
        Default: a bar when stderr is a terminal.

    Returns
    -------
    TrainedAutoencoder

    Raises
    ------
    InputTypeError, InputValueError
        When patterns do not fit to the regions, are too few, have NaN, or do not vary; when the network to start from
        has other sizes than the settings give.

    Examples
    --------
    >>> from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoderSettings
    >>> patterns = np.random.default_rng(0).normal(size=(20, 12))
    >>> settings = FMRIAutoencoderSettings(width=16, depth=1, heads=2, decoder_width=8, decoder_depth=1, epochs=2)
    >>> trained = fit_autoencoder(patterns[:16], patterns[16:], (8, 4), settings)
    >>> trained.network.encode(torch.zeros(1, 12)).shape, len(trained.curve)
    (torch.Size([1, 256]), 2)
    """
    regions = tuple(int(count) for count in voxels)
    seen = _checked(train, regions, "training")
    held_out = _checked(validation, regions, "validation")
    target = resolve_device(device)
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        network = first_network(seen, regions, settings, read_start(start, settings), subject)
    own_settings = settings.at_width(network.config.width)
    patterns = SubjectInTraining(network, seen, held_out, torch.from_numpy(held_out))
    task = Reconstruction({"autoencoder": patterns}, own_settings, dropping_voxels(settings.voxel_dropout), target)
    with kept_in(
        workspace, "fmri-autoencoder", lambda: _identity(settings, network, patterns, start is not None)
    ) as checkpoints:
        curve, best_epoch = train_network(
            task,
            own_settings,
            checkpoints,
            title="train fMRI autoencoder",
            start_counts=start is not None,
            progress=progress,
        )
    return TrainedAutoencoder(network.cpu().eval(), curve, best_epoch)


def _identity(
    settings: FMRIAutoencoderSettings, network: FMRIAutoencoder, patterns: SubjectInTraining, started: bool
) -> dict[str, Any]:
    """All that decides the result."""
    digest = hashlib.sha256()
    for part, values in (("train", patterns.train), ("validation", patterns.validation)):
        add_tensor(digest, part, torch.from_numpy(values))
    for name, tensor in network.state_dict().items() if started else ():
        add_tensor(digest, name, tensor)
    return {
        "settings": settings.model_dump(mode="json"),
        "voxels": network.config.voxels,
        "started": started,
        "data": digest.hexdigest(),
    }


def _checked(patterns: ArrayLike, voxels: tuple[int, ...], what: str) -> NDArray[np.float32]:
    try:
        values = np.ascontiguousarray(patterns, np.float32)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{what} patterns must be numbers, shape (patterns, voxels): {error}") from None
    if values.ndim != 2 or values.shape[1] != sum(voxels):
        sizes = ", ".join(map(str, voxels))
        raise InputValueError(
            f"{what} patterns must have shape (patterns, {sum(voxels)}), voxels of {len(voxels)} regions ({sizes}); "
            f"got {values.shape}"
        )
    if len(values) < FEWEST_PATTERNS[what]:
        raise InputValueError(f"at least {FEWEST_PATTERNS[what]} {what} patterns are needed, got {len(values)}")
    bad = np.flatnonzero(~np.isfinite(values).all(0))
    if len(bad):
        named = ", ".join(map(str, bad[:MOST_VOXELS_NAMED])) + (", ..." if len(bad) > MOST_VOXELS_NAMED else "")
        raise InputValueError(
            f"{what} patterns must be finite; {len(bad)} of {values.shape[1]} voxels have NaN or infinity: columns "
            f"{named}; leave these voxels out"
        )
    if not values.any():
        raise InputValueError(f"{what} patterns are zero everywhere: there is nothing to learn")
    return values
