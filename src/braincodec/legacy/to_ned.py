"""A trained model as the files of NED's published layout, that the published code and ours read back.

Models over voxels go where NED has its fwRF models, one for each region; models over vit_b_32 go where NED has its EEG
models or BERG its models of the cortical surface. Nothing else was published, so nothing else has a form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import DamagedFileError, InputValueError, UnsafeFileError
from braincodec.legacy.eeg_vit import PCA, REPETITIONS, SCALER
from braincodec.legacy.families import METADATA, MODELS_FOLDER, PUBLISHED_DATASETS, STATED, STATED_KEY, WEIGHTS
from braincodec.legacy.keys import HEMISPHERES
from braincodec.legacy.metadata import published_metadata
from braincodec.legacy.ned_weights import (
    READOUT,
    NoNedFormError,
    fwrf_checkpoints,
    reduction_parameters,
    regression_parameters,
    require_published_features,
)
from braincodec.legacy.published_files import equal_content, write_checkpoint, write_dictionary
from braincodec.legacy.read import read_legacy
from braincodec.models.fwrf import FwRF
from braincodec.models.linear import LinearEncoder
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    from braincodec.models.base import Encoder

UNKNOWN = "unknown"  # of recordings that do not say what was measured
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+-]+")
CONVERTIBLE = (
    "fwRF models of voxels with numbered subjects (one file a region), and linear models over all twelve layers of "
    "vit_b_32: of EEG with four repetitions, or of every vertex of both hemispheres"
)


@dataclass(frozen=True)
class NedFile:
    """One file of NED's layout.

    Attributes
    ----------
    name : str
        Below the folder.
    content : callable
        Makes the dictionary that the file holds.
    shared : bool
        Whether the models of all subjects use it.
    """

    name: str
    content: Callable[[], dict[str, Any]]
    shared: bool = False


def ned_files(encoder: Encoder) -> list[NedFile]:
    """The files that hold `encoder` in NED's layout.

    Parameters
    ----------
    encoder : Encoder

    Returns
    -------
    list of NedFile
        Weights first. An fwRF model of several regions has files for each of them.

    Raises
    ------
    NoNedFormError
        With the reason, when NED's layout has no place for such a model.
    """
    about = encoder.description
    subject = plain_subject(about.subject)
    if not isinstance(subject, int):
        raise NoNedFormError(f"NED numbers its subjects, this one is called {subject!r}")
    if not PLAIN_NAME.fullmatch(about.dataset):
        raise NoNedFormError(f"NED names a folder after the data set, and {about.dataset!r} is no name for one")
    if isinstance(encoder, FwRF):
        return [file for region in _regions(encoder) for file in _fwrf_files(region, subject)]
    if not isinstance(encoder, LinearEncoder):
        raise NoNedFormError(f"NED has no {encoder.kind} models")
    require_published_features(encoder)
    if "time" in encoder.units.sizes:
        return _eeg_files(encoder, subject)
    if "vertex" in encoder.units:
        return _surface_files(encoder, subject)
    raise NoNedFormError("its units are neither vertices nor channels; of voxels NED has fwRF models only")


def write_ned(encoder: Encoder, root: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write `encoder` below a folder in NED's layout.

    Each file appears whole or not at all, metadata last; equal files that are there are kept, so that an interrupted
    call goes on when it is called again.

    Parameters
    ----------
    encoder : Encoder
    root : str or Path
    overwrite : bool
        Replace another model's files; those that the models of all subjects share are never replaced.

    Returns
    -------
    list of Path

    Raises
    ------
    NoNedFormError
        See `ned_files`; also when another subject's model there has other features than this one.
    InputValueError
        When another model lies there.
    OutputError
        When a file cannot be written.
    """
    files = [(Path(root) / file.name, file) for file in ned_files(encoder)]
    missing = []
    for path, file in files:  # all are looked at before the first is written
        same = _holds(path, file)
        if path.exists() and not same and file.shared:
            raise NoNedFormError(f"{path} is for all subjects and holds another model's: choose another folder")
        if path.exists() and not same and not overwrite:
            raise InputValueError(f"{path} holds another model's: choose another folder or ask to overwrite it")
        missing += [] if same else [(path, file)]
    for path, file in missing:
        write = write_checkpoint if path.suffix == ".pt" else write_dictionary
        write(path, file.content())
    return [path for path, _ in files]


def _holds(path: Path, file: NedFile) -> bool:
    """Whether the file is there with the same content; a damaged one is another."""
    try:
        return path.exists() and equal_content(read_legacy(path), file.content())
    except (DamagedFileError, UnsafeFileError):
        return False


def _regions(encoder: FwRF) -> Iterator[FwRF]:
    """The encoder itself where it is one region's, else the encoder of each of its regions."""
    if encoder.description.roi is not None:
        yield encoder
        return
    names = encoder.units["roi"].values.astype(str).tolist() if "roi" in encoder.units.coords else []
    if not names:
        raise NoNedFormError("NED has a model for each region, and this one knows no region")
    for name in names:
        members = encoder.units["roi_membership"].sel(roi=name).values.astype(bool)
        if members.any():
            own = encoder.select(unit=members)
            about = own.description.model_copy(update={"roi": name})
            yield FwRF.from_parts(own.config, own.tensors(), own.units, about)


def _fwrf_files(encoder: FwRF, subject: int) -> list[NedFile]:
    roi = str(encoder.description.roi)
    if not PLAIN_NAME.fullmatch(roi):
        raise NoNedFormError(f"NED names a file after the region, and {roi!r} is no name for one")
    encoder = in_volume_order(encoder)
    checkpoints = fwrf_checkpoints(encoder, subject)
    stem, place = f"sub-{subject:02d}_roi-{roi}", _place(encoder, "fmri", "fwrf")
    files = []
    for number, checkpoint in enumerate(checkpoints, start=1):
        part = f"_split-{number}" if len(checkpoints) > 1 else ""
        files.append(NedFile(f"{place}/{WEIGHTS}/weights_{stem}{part}.pt", partial(dict, checkpoint)))
    metadata = _metadata(encoder)
    # published metadata always place the voxels; without them a model still runs
    if "roi_mask_volume" in metadata["fmri"] or STATED_KEY in metadata:
        files.append(NedFile(f"{place}/{METADATA}/metadata_{stem}.npy", partial(dict, metadata)))
    return files


def in_volume_order(encoder: FwRF) -> FwRF:
    """The encoder with its voxels in C order of the volume, as NED's masks have them.

    Raises
    ------
    NoNedFormError
        When a voxel occurs twice, or two networks hold voxels that do not follow one another.
    """
    units = encoder.units
    if not all(name in units for name in "ijk"):
        return encoder
    places = np.stack([units[name].values for name in "ijk"])
    if len(np.unique(places, axis=1).T) < places.shape[1]:
        raise NoNedFormError("a voxel occurs twice, and NED's masks hold each once")
    order = np.lexsort(places[::-1])
    if np.array_equal(order, np.arange(len(order))):
        return encoder
    if encoder.config.parts > 1:
        raise NoNedFormError("the voxels of its two networks do not follow one another in the volume's order")
    tensors = {
        name: tensor[order] if name.rpartition(".")[2] in READOUT and tensor.shape[0] == len(order) else tensor
        for name, tensor in encoder.tensors().items()
    }
    return FwRF.from_parts(encoder.config, tensors, units.isel(unit=order), encoder.description)


def _eeg_files(encoder: LinearEncoder, subject: int) -> list[NedFile]:
    repetitions = encoder.units.sizes["repetition"]
    if repetitions != REPETITIONS:
        raise NoNedFormError(f"NED's code runs {REPETITIONS} regressions, one a repetition; this has {repetitions}")
    place = _place(encoder, "eeg", "vit_b_32")
    reduction = cache(lambda: reduction_parameters(encoder))

    def regressions() -> dict[str, Any]:
        return {f"rep-{number}": fitted for number, fitted in enumerate(regression_parameters(encoder), start=1)}

    return [
        NedFile(f"{place}/{WEIGHTS}/{SCALER}", lambda: reduction()[0], shared=True),
        NedFile(f"{place}/{WEIGHTS}/{PCA}", lambda: reduction()[1], shared=True),
        NedFile(f"{place}/{WEIGHTS}/LinearRegression_param_sub-{subject:02d}.npy", regressions),
        NedFile(f"{place}/{METADATA}/metadata_sub-{subject:02d}.npy", lambda: _metadata(encoder)),
    ]


def _surface_files(encoder: LinearEncoder, subject: int) -> list[NedFile]:
    """BERG's form, one file for each subject: NED has no models of the cortical surface."""
    sides = [encoder.units["hemisphere"].values == name for name in HEMISPHERES.values()]
    counts = [int(side.sum()) for side in sides]
    vertices = np.concatenate([np.arange(count) for count in counts])
    in_order = np.array_equal(np.flatnonzero(np.concatenate(sides)) % len(sides[0]), np.arange(len(sides[0])))
    if not in_order or not np.array_equal(encoder.units["vertex"].values, vertices):
        raise NoNedFormError("BERG's models predict every vertex of the left and then of the right hemisphere")
    place = _place(encoder, "fmri", "vit_b_32")

    def weights() -> dict[str, Any]:
        scaler, pca = reduction_parameters(encoder)
        (both,) = regression_parameters(encoder)
        content: dict[str, Any] = {"scaler_param": scaler, "pca_param": pca}
        for side, part in zip(HEMISPHERES, (slice(None, counts[0]), slice(counts[0], None)), strict=True):
            own = {name: both[name][part] for name in ("coef_", "intercept_")}
            content[f"{side}_reg_param"] = own | {"n_features_in_": both["n_features_in_"]}
        return content

    def metadata() -> dict[str, Any]:
        content = _metadata(encoder)
        for side, count in zip(HEMISPHERES, counts, strict=True):
            content["fmri"].setdefault(f"{side}_ncsnr", np.full(count, np.nan, np.float32))
            content["fmri"].setdefault(f"{side}_fsaverage_rois", {})
        return content

    return [
        NedFile(f"{place}/{WEIGHTS}/weights_subject-{subject:02d}.npy", weights),
        NedFile(f"{place}/{METADATA}/metadata_subject-{subject:02d}.npy", metadata),
    ]


def _place(encoder: Encoder, modality: str, name: str) -> str:
    about = encoder.description
    if about.modality not in (modality, UNKNOWN):
        raise NoNedFormError(f"NED's models of this kind are of {modality}, this one is of {about.modality}")
    return f"{MODELS_FOLDER}/modality-{modality}/train_dataset-{about.dataset}/model-{name}"


def _metadata(encoder: Encoder) -> dict[str, Any]:
    """NED's keys; for data sets that NED does not have, also what it states of its own once and for all."""
    about = encoder.description
    found = published_metadata(encoder)
    if about.simulated or about.dataset not in PUBLISHED_DATASETS:
        found[STATED_KEY] = {name: getattr(about, name) for name in STATED}
    return found
