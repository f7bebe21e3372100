"""A simulated subject in the files of Generic Object Decoding: photographs seen by a made-up cortex."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import InputValueError
from braincodec.simulate.fmri import subject as simulated_subject
from braincodec.simulate.images import stimuli
from braincodec.simulate.layouts.god import BASELINE, SIGNAL, write_label_tables
from braincodec.simulate.simulated import noise_generator

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

# the data set has five subjects; a sixth is taken for none of them, and may be of any size
SUBJECT = 6
# the data set's regions, in the file's order, and the simulated areas they are made of
AREAS = {
    "V1": ("V1",),
    "V2": ("V2",),
    "V3": ("V3",),
    "V4": ("hV4",),
    "LOC": ("EBA", "VWFA"),
    "FFA": ("FFA",),
    "PPA": ("PPA",),
    "LVC": ("V1", "V2", "V3"),
    "HVC": ("EBA", "VWFA", "FFA", "PPA"),
}
TRAIN_OF_TEN = 8


def write_god_subject(
    folder: str | Path,
    *,
    train: int = 240,
    test: int = 40,
    repetitions: int = 8,
    size: int = 96,
    seed: int = 0,
    backbone: str | None = None,
    calibration: int = 32,
) -> Path:
    """Write one simulated subject as LEA and MinD-Vis lay out Generic Object Decoding.

    As in the data set, training pictures are shown once and test pictures several times, and no test picture is of a
    category that is in training. The pictures are those of `stimuli`; each counts as a category of its own, and what is
    cut out of one photograph lies on one side. The subject is `subject(1)`, whose vertices are the voxels of the file.

    Parameters
    ----------
    folder : path
        Gets ``sbj_6.npz``, ``images_256.npz`` and the tables of labels, which ``load_dataset("god", folder)`` reads.
        The data set has five subjects, so a sixth is taken for none of them.
    train, test : int
        How many pictures.
    repetitions : int
        How often each test picture is shown.
    size : int
        Of the pictures, pixels.
    seed : int
        Of subject, pictures and noise.
    backbone, calibration : optional
        Of the simulated subject, see `subject`.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    InputValueError
        When a number is below 1.

    Examples
    --------
    >>> import tempfile
    >>> import braincodec as bc
    >>> folder = write_god_subject(tempfile.mkdtemp(), train=6, test=2, size=32, backbone="gabor:bank", calibration=8)
    >>> bc.load_dataset("god", folder).subject("6")
    <Recording of god, subject 6: responses (8 stimulus, 8 repetition, 1,039 unit); split 6 train, 2 test>
    """
    if min(train, test, repetitions) < 1:
        raise InputValueError(f"train, test and repetitions must be at least 1, not {train}, {test} and {repetitions}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    person = simulated_subject(1, seed, backbone, calibration)
    shown = _pictures(train, test, size, seed)
    signal = person.encoder().encode(np.concatenate([shown["train"], shown["test"]]), progress=False).values
    order = np.random.default_rng([seed, SUBJECT]).permutation(train)
    trials = np.tile(np.arange(test), repetitions)  # run after run, each with every test picture
    rows = np.concatenate([order, train + trials])
    deviation = 1 / np.sqrt(1 + person.units["ncsnr"].values ** 2)
    noise = noise_generator(seed, SUBJECT, "trials").standard_normal((len(rows), len(deviation)))
    measured = (BASELINE + SIGNAL * (signal[rows] + deviation * noise)).astype(np.float32)  # (trials, voxels)
    means = np.stack([measured[train:][trials == number].mean(axis=0) for number in range(test)])
    np.savez(folder / "images_256.npz", train_images=shown["train"], test_images=shown["test"])
    write_label_tables(folder, categories=train, per_category=1, test=test)
    arrays = {"arr_0": measured[:train], "arr_1": measured[train:], "arr_2": means, "arr_3": order}
    np.savez(folder / f"sbj_{SUBJECT}.npz", **_masks(person.units), **arrays)  # type: ignore[arg-type]
    return folder


def _pictures(train: int, test: int, size: int, seed: int) -> dict[str, NDArray[np.uint8]]:
    """The first training and test pictures of the simulated stimuli, each part (pictures, size, size, 3)."""
    every = stimuli(10 * max(test, -(-train // TRAIN_OF_TEN)), seed, size)
    wanted = {"train": train, "test": test}
    ids = {part: [item for item in every.ids if item.startswith(part)][:count] for part, count in wanted.items()}
    return {part: np.stack(list(every[names])) for part, names in ids.items()}


def _masks(units: xr.Dataset) -> dict[str, NDArray[np.bool_]]:
    membership = units["roi_membership"]
    masks = {name: membership.sel(roi=list(areas)).any("roi").values for name, areas in AREAS.items()}
    return {**masks, "VC": np.ones(units.sizes["unit"], bool)}
