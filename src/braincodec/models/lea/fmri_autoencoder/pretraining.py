"""Pre-training of the fMRI autoencoder: masked reconstruction on any fMRI, one trunk for all subjects."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from braincodec.atomic import refuse_existing, refuse_other_folder, write_error
from braincodec.device import resolve_device
from braincodec.errors import InputValueError
from braincodec.models.gradient_training import kept_in, seeded, train_network
from braincodec.models.lea.fmri_autoencoder.pretraining_patterns import StoredPatterns, stored_patterns
from braincodec.models.lea.fmri_autoencoder.pretraining_stimuli import Division, divided_stimuli, listed_recordings
from braincodec.models.lea.fmri_autoencoder.reconstruction import Reconstruction, SubjectInTraining, hiding_runs
from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings
from braincodec.models.lea.fmri_autoencoder.start import Start, first_network, read_start
from braincodec.models.lea.fmri_autoencoder.trunk import CONFIG, Trunk, write_trunk
from braincodec.models.tensors import add_tensor

if TYPE_CHECKING:
    from braincodec.datasets.base import Dataset, Recording
    from braincodec.models.gradient_training import Checkpoints, Trained
    from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder


def pretrain_fmri_autoencoder(
    data: Recording | Dataset | Sequence[Recording | Dataset],
    *,
    output: str | Path,
    settings: FMRIAutoencoderSettings | dict[str, Any] | None = None,
    rois: Sequence[str] | None = None,
    start: Start | None = None,
    workspace: str | Path | None = None,
    device: str | torch.device = "auto",
    overwrite: bool = False,
    progress: bool | None = None,
) -> Path:
    """Train one trunk, with embeddings of each subject, to reconstruct patterns of which most voxels are hidden.

    Parameters
    ----------
    data : Recording, Dataset, or sequence of these
        Of a data set, all subjects. Only training stimuli are used, and none that another recording of the same data
        set holds out. Each repetition is a pattern; each voxel is standardised by the training patterns. Voxels
        without a value in every pattern, or with the same in all, are left out with a warning.
    output : str or Path
        Folder for trunk and embeddings (safetensors) and for what they are (``config.json``); it appears whole or
        not at all.
    settings : FMRIAutoencoderSettings or dict, optional
    rois : sequence of str, optional
        Regions to use of each recording; other units are left out. Default: all, made disjoint in their order; units
        in none make up a region.
    start : FMRIAutoencoder, str or Path, optional
        Network, pre-trained folder or published checkpoint that training goes on from.
    workspace : str or Path, optional
        Where training stands is kept here, so that the same call goes on exactly where it was cut short.
    device : str or torch.device
    overwrite : bool
        Replace an earlier pre-trained folder.
    progress : bool, optional
        Default: a bar when stderr is a terminal.

    Returns
    -------
    Path
        The folder; `load_trunk` reads it, and `LEA(pretrained=...)` starts from it.

    Raises
    ------
    InputTypeError, InputValueError
        When the data cannot train, or do not fit to `start`; before long work.
    OutputError
        When `output` exists, or the disk is full.

    Notes
    -----
    Masked reconstruction as in MinD-Vis (Chen et al. 2023, CVPR), except that voxels are hidden and not tokens,
    because each token of a region sees all of its voxels.
    """
    chosen = FMRIAutoencoderSettings.parse(settings or {})
    path, target = Path(output).expanduser(), resolve_device(device)
    refuse_existing(path, overwrite=overwrite)
    refuse_other_folder(path, CONFIG, "pre-trained fMRI autoencoder")
    recordings = listed_recordings(data)
    divisions = divided_stimuli(recordings, chosen.held_out, chosen.seed)
    trunk = read_start(start, chosen)
    with contextlib.ExitStack() as stack:
        place = Path(workspace or stack.enter_context(tempfile.TemporaryDirectory(prefix="braincodec-"))).expanduser()
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(place, error) from error
        patterns = [
            stored_patterns(recording, division, rois, place)
            for recording, division in zip(recordings, divisions, strict=True)
        ]
        _warn_of_left_out(patterns)
        networks = _networks(patterns, chosen, trunk)
        checkpoints = stack.enter_context(
            kept_in(workspace, "fmri-autoencoder-pretraining", lambda: _identity(patterns, chosen, trunk))
        )
        trained = _train(patterns, networks, chosen, checkpoints, target, trunk is not None, progress)
    about = _description(patterns, recordings, divisions, chosen, trained)
    write_trunk(path, networks, about, overwrite=overwrite)
    return path


def _networks(
    patterns: Sequence[StoredPatterns], settings: FMRIAutoencoderSettings, trunk: Trunk | None
) -> dict[str, FMRIAutoencoder]:
    """A network for each subject; trunks are the very same."""
    networks: dict[str, FMRIAutoencoder] = {}
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        for subject in patterns:
            network = first_network(subject.train, subject.regions.voxels, settings, trunk, subject.name)
            if networks:
                own = network
                network = next(iter(networks.values())).sharing_trunk(subject.regions.voxels)
                network.patch_embed, network.channel_mapper = own.patch_embed, own.channel_mapper
            networks[subject.name] = network
    return networks


def _train(
    patterns: Sequence[StoredPatterns],
    networks: dict[str, FMRIAutoencoder],
    settings: FMRIAutoencoderSettings,
    checkpoints: Checkpoints | None,
    device: torch.device,
    started: bool,
    progress: bool | None,
) -> Trained:
    own_settings = settings.at_width(next(iter(networks.values())).config.width)
    hide = hiding_runs(settings.hidden, settings.hidden_run)
    subjects = {}
    for number, one in enumerate(patterns):
        try:
            shown = hide(torch.from_numpy(one.validation.copy()), networks[one.name], seeded([settings.seed, number]))
        except InputValueError as error:
            raise InputValueError(f"{one.name}: {error}; set hidden_run lower") from None
        subjects[one.name] = SubjectInTraining(networks[one.name], one.train, one.validation, shown)
    task = Reconstruction(subjects, own_settings, hide, device)
    trained = train_network(
        task, own_settings, checkpoints, title="pre-train fMRI autoencoder", start_counts=started, progress=progress
    )
    for network in networks.values():
        network.cpu()
    return trained


def _warn_of_left_out(patterns: Sequence[StoredPatterns]) -> None:
    counts = [f"{one.name} {one.left_out:,}" for one in patterns if one.left_out]
    if counts:
        warnings.warn(
            f"voxels without a value in every pattern, or with the same in all, are left out: {', '.join(counts)}",
            stacklevel=3,
        )


def _identity(
    patterns: Sequence[StoredPatterns], settings: FMRIAutoencoderSettings, trunk: Trunk | None
) -> dict[str, Any]:
    """All that decides the result."""
    digest = hashlib.sha256()
    if trunk is not None:
        weights = trunk.weights | {
            f"{subject} {name}": tensor
            for subject, (_, own) in trunk.embeddings.items()
            for name, tensor in own.items()
        }
        for name, tensor in weights.items():
            add_tensor(digest, name, tensor)
    return {
        "settings": settings.model_dump(mode="json"),
        "subjects": {one.name: one.digest for one in patterns},
        "start": digest.hexdigest() if trunk is not None else None,
    }


def _description(
    patterns: Sequence[StoredPatterns],
    recordings: Sequence[Recording],
    divisions: Sequence[Division],
    settings: FMRIAutoencoderSettings,
    trained: Trained,
) -> dict[str, Any]:
    stimuli: dict[str, dict[str, None]] = {}
    for recording, division in zip(recordings, divisions, strict=True):
        stimuli.setdefault(recording.dataset, {}).update(dict.fromkeys(division.train + division.held_out))
    return {
        "subjects": [
            {
                "name": one.name,
                "regions": one.regions.names,
                "voxels": one.regions.voxels,
                "patterns": len(one.train),
            }
            for one in patterns
        ],
        "stimuli": {dataset: tuple(ids) for dataset, ids in stimuli.items()},
        "settings": settings.model_dump(mode="json"),
        "curve": tuple(trained.curve),
        "best_epoch": trained.best_epoch,
    }
