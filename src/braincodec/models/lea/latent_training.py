"""The fMRI latent of one subject, fitted to standardised training patterns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from braincodec.errors import InputValueError
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoder, FMRIAutoencoderConfig, fit_autoencoder
from braincodec.models.lea.fmri_autoencoder.start import read_start
from braincodec.models.lea.fmri_autoencoder.trunk import read_trunk, refuse_seen_by_trunk
from braincodec.models.lea.fmri_latent import VoxelLatent, fit_components

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from braincodec.datasets.base import Recording
    from braincodec.models.lea.recipe import LEARecipe

FEWEST_LEFT = 2


class FittedLatent(NamedTuple):
    """A latent and how it came about.

    Parameters
    ----------
    network : torch.nn.Module
        One of the kinds of `fmri_latent`.
    config : FMRIAutoencoderConfig, optional
        Sizes of an autoencoder.
    report : dict
        ``curve`` and ``best_epoch`` of an autoencoder that was trained.
    """

    network: nn.Module
    config: FMRIAutoencoderConfig | None
    report: dict[str, Any]


class LatentPatterns(NamedTuple):
    """What a latent is fitted to.

    Parameters
    ----------
    train : array of float32, shape (trials, voxels)
        Standardised.
    validation : array of float32, shape (trials, voxels), or None
        Of stimuli that are not among the training stimuli.
    groups : array of int64, shape (trials,)
        Training trials of one group stay together where some are held out.
    voxels : tuple of int
        Of each region.
    """

    train: NDArray[np.float32]
    validation: NDArray[np.float32] | None
    groups: NDArray[np.int64]
    voxels: tuple[int, ...]


def fit_latent(
    recipe: LEARecipe,
    patterns: LatentPatterns,
    start: FMRIAutoencoder | Path | None,
    *,
    subject: str,
    workspace: Path,
    device: str,
    progress: bool | None,
) -> FittedLatent:
    """Fit the kind of latent that the settings name.

    Parameters
    ----------
    recipe : LEARecipe
    patterns : LatentPatterns
    start : FMRIAutoencoder, Path or None
        As `starting_point` gives it: a network is used as it is, from a path training goes on.
    subject : str
        ``"<data set>/<subject>"``.
    workspace : Path
        Where training of an autoencoder keeps checkpoints.
    device : str
    progress : bool, optional
    """
    if recipe.fmri_latent == "components":
        return FittedLatent(fit_components(patterns.train, recipe.components), None, {})
    if recipe.fmri_latent == "voxels":
        return FittedLatent(VoxelLatent(), None, {})
    if isinstance(start, FMRIAutoencoder):
        return FittedLatent(start, start.config, {})
    train, validation = patterns.train, patterns.validation
    if validation is None:
        held_out = draw_held_out(patterns.groups, recipe.held_out, recipe.seed)
        train, validation = patterns.train[~held_out], patterns.train[held_out]
    network, curve, best_epoch = fit_autoencoder(
        train,
        validation,
        patterns.voxels,
        recipe.autoencoder,
        start=start,
        subject=subject,
        workspace=workspace,
        device=device,
        progress=progress,
    )
    return FittedLatent(network, network.config, {"curve": _as_losses(curve), "best_epoch": best_epoch})


def _as_losses(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A learning curve by the names under which descriptions of all kinds of model have it."""
    names = {"error": "loss", "validation_error": "validation_loss"}
    return [{names.get(name, name): value for name, value in entry.items()} for entry in curve]


def starting_point(
    recipe: LEARecipe, recording: Recording, voxels: tuple[int, ...], subject: str
) -> FMRIAutoencoder | Path | None:
    """What the settings' `pretrained` names, checked before long work.

    Parameters
    ----------
    recipe : LEARecipe
    recording : Recording
    voxels : tuple of int
        Of each region.
    subject : str
        ``"<data set>/<subject>"``.

    Returns
    -------
    FMRIAutoencoder, Path or None
        The subject's own network where it is used as it is; else the path that training starts from.

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
    InputValueError
        When it has other sizes than the settings say, is of other regions and yet to be used as it is, or was trained
        on stimuli that the recording holds out.
    """
    if recipe.pretrained is None:
        return None
    path = Path(recipe.pretrained).expanduser()
    refuse_seen_by_trunk(path, recording)
    if recipe.finetune:
        read_start(path, recipe.autoencoder)
        return path
    trunk = read_trunk(path)
    name = subject if subject in trunk.embeddings else next(iter(trunk.embeddings))
    found = trunk.embeddings[name][0]
    if name not in (subject, "") or found != voxels:
        raise InputValueError(
            f"{path} is no autoencoder of {subject}, which has {len(voxels)} regions of {_listed(voxels)} voxels; it "
            f"is of {name or 'a subject that it does not name'}, {len(found)} regions of {_listed(found)}. With "
            "finetune=True its trunk serves"
        )
    return trunk.network(name)


def _listed(voxels: tuple[int, ...]) -> str:
    return ", ".join(map(str, voxels))


def draw_held_out(groups: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Trials that only choose the epoch: those of whole groups, about `share` of all.

    Parameters
    ----------
    groups : array of int64, shape (trials,)
    share : float
    seed : int

    Returns
    -------
    array of bool, shape (trials,)

    Raises
    ------
    InputValueError
        When there are fewer than three groups.

    Examples
    --------
    >>> draw_held_out(np.array([0, 0, 1, 1, 2, 2, 3, 3]), 0.25, seed=0).tolist()
    [False, False, False, False, True, True, False, False]
    """
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) <= FEWEST_LEFT:
        raise InputValueError(
            f"{len(names)} groups of training stimuli cannot be divided into training and validation; "
            f"at least {FEWEST_LEFT + 1} are needed"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    before = np.cumsum(sizes[order]) - sizes[order]
    count = max(1, min(int((before < share * len(groups)).sum()), len(names) - FEWEST_LEFT))
    held_out: NDArray[np.bool_] = np.isin(groups, names[order[:count]])
    return held_out
