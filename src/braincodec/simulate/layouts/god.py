"""Generic Object Decoding, small: npz files as LEA and MinD-Vis read them, or HDF5 as bdpy writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.simulate.layouts.known_signal import coarse_pictures, linear_signal

Form = Literal["npz", "bdpy", "bdpy_old"]
REGIONS = ("V1", "V2", "V3", "V4", "LOC", "FFA", "PPA", "LVC", "HVC", "VC")
BASELINE, SIGNAL, NOISE = 3.0, 2.0, 1.0  # the scale is not one, so that rescaling shows
FIRST_CATEGORY, CATEGORY_STEP = 1440000, 137
LINES = {"training": "imagenet_training_label.csv", "testing": "imagenet_testing_label.csv"}


def write_god(
    folder: str | Path,
    *,
    subjects: int = 1,
    categories: int = 6,
    per_category: int = 3,
    test: int = 5,
    repetitions: int = 4,
    voxels: int = 60,
    size: int = 16,
    form: Form = "npz",
    trial_order: Literal["by_picture", "by_run", "random"] = "by_run",
    seed: int = 0,
) -> Path:
    """Write the layout of Generic Object Decoding.

    Parameters
    ----------
    folder : path
    subjects, categories, per_category, test, repetitions, voxels : int
        Training pictures are `categories` x `per_category`, each shown once; `test` pictures, each of a category of its
        own, are shown `repetitions` times.
    size : int
        Of the pictures, pixels.
    form : {"npz", "bdpy", "bdpy_old"}
    trial_order : {"by_picture", "by_run", "random"}
        Of the test trials.
    seed : int

    Returns
    -------
    Path
        `folder`.

    Examples
    --------
    >>> import tempfile
    >>> sorted(path.name for path in write_god(tempfile.mkdtemp()).glob("*.npz"))
    ['images_256.npz', 'sbj_1.npz']
    """
    if min(subjects, categories, per_category, test, repetitions) < 1 or voxels < len(REGIONS):
        raise InputValueError(f"counts must be positive, and voxels at least {len(REGIONS)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pictures = {
        "train": coarse_pictures(categories * per_category, size, rng),
        "test": coarse_pictures(test, size, rng),
    }
    np.savez(folder / "images_256.npz", train_images=pictures["train"], test_images=pictures["test"])
    numbers = write_label_tables(folder, categories, per_category, test)
    for subject in range(1, subjects + 1):
        own = np.random.default_rng([seed, subject])
        order = own.permutation(len(pictures["train"]))
        shown = _test_order(test, repetitions, trial_order, own)
        both = np.concatenate([pictures["train"][order], pictures["test"]])
        signal = BASELINE + linear_signal(both, voxels, own, SIGNAL)
        train = signal[: len(order)] + NOISE * own.standard_normal((len(order), voxels))
        trials = signal[len(order) :][shown] + NOISE * own.standard_normal((len(shown), voxels))
        masks = overlapping_masks(voxels, own)
        if form == "npz":
            means = np.stack([trials[shown == number].mean(axis=0) for number in range(test)])
            np.savez(folder / f"sbj_{subject}.npz", **masks, arr_0=train, arr_1=trials, arr_2=means, arr_3=order)  # type: ignore[arg-type]
        else:
            labels = np.concatenate([numbers["training"][order], numbers["testing"][shown]])
            _write_bdata(folder / f"Subject{subject}.h5", train, trials, labels, masks, old=form == "bdpy_old")
    return folder


def overlapping_masks(voxels: int, rng: np.random.Generator) -> dict[str, NDArray[np.bool_]]:
    """Masks in the file's order: seven regions that overlap by a voxel, and unions that hold a few voxels more.

    Some voxels are in no region at all; the lower visual cortex is nothing but its parts.
    """
    inside = rng.permutation(voxels)[: voxels - voxels // 10]
    parts = np.array_split(inside, 8)
    masks = {name: np.zeros(voxels, bool) for name in REGIONS}
    for name, part, following in zip(REGIONS, parts[:7], parts[1:], strict=False):
        masks[name][part] = masks[name][following[0]] = True
    masks["LVC"] = masks["V1"] | masks["V2"] | masks["V3"]
    masks["HVC"][np.concatenate(parts[4:])] = True
    masks["VC"][inside] = True
    return masks


def _test_order(test: int, repetitions: int, order: str, rng: np.random.Generator) -> NDArray[np.int64]:
    if order == "by_picture":
        return np.repeat(np.arange(test), repetitions)
    if order == "by_run":
        return np.tile(np.arange(test), repetitions)
    return np.concatenate([rng.permutation(test) for _ in range(repetitions)])


def write_label_tables(folder: Path, categories: int, per_category: int, test: int) -> dict[str, NDArray[np.float64]]:
    """Write both tables and the classes; the numbers of the pictures are what the tables say."""
    words = FIRST_CATEGORY + CATEGORY_STEP * np.arange(categories + test)
    of = {"training": np.repeat(words[:categories], per_category), "testing": words[categories:]}
    numbers = {}
    for part, own in of.items():
        image = 10 + 17 * np.arange(len(own))
        rows = [f'{word}.{number:06d},"n{word:08d}_{number}.JPEG"' for word, number in zip(own, image, strict=True)]
        (folder / LINES[part]).write_text("\n".join(rows) + "\n")
        numbers[part] = own + image / 1e6
    named = words[:-1]  # one category is none of the thousand
    classes = {str(place): [f"n{word:08d}", f"thing_{place}"] for place, word in enumerate(named)}
    (folder / "imagenet_class_index.json").write_text(json.dumps(classes))
    return numbers


def _write_bdata(
    path: Path,
    train: NDArray[np.float64],
    trials: NDArray[np.float64],
    labels: NDArray[np.float64],
    masks: dict[str, NDArray[np.bool_]],
    *,
    old: bool,
) -> None:
    import h5py

    voxels = train.shape[1]
    imagery = trials[:1] + 100.0  # nobody saw it, so it must not be read as seen
    data = np.concatenate([train, trials, imagery])
    kind = np.repeat([1.0, 2.0, 3.0], [len(train), len(trials), 1])
    run = np.arange(len(data)) // 5 + 1.0
    label = np.append(labels, labels[-1])
    table = np.column_stack([kind, run, label, data])
    before = table.shape[1] - voxels
    keys = ["DataType", "Run", "Label" if old else "stimulus_id", "VoxelData", "voxel_x", "voxel_y", "voxel_z"]
    rows = [_only(column, table.shape[1]) for column in range(3)] + [np.r_[np.full(before, np.nan), np.ones(voxels)]]
    rows += [np.r_[np.full(before, np.nan), 3.0 * np.arange(voxels) + axis] for axis in range(3)]
    for name, mask in masks.items():
        keys.append(f"ROI_{name}")
        rows.append(np.r_[np.full(before, np.nan), np.where(mask, 1.0, np.nan)])
    with h5py.File(path, "w") as file:
        file["dataSet" if old else "dataset"] = table
        described = file.create_group("metaData" if old else "metadata")
        described["key"] = [key.encode() for key in keys]
        described["description"] = [f"1 = {key}".encode() for key in keys]
        described["value"] = np.stack(rows)
        if not old:
            words = file.create_group("vmap/stimulus_id")
            for number in np.unique(label):
                words[str(number)] = f"n{int(number):08d}_{round((number % 1) * 1e6)}".encode()


def _only(column: int, columns: int) -> NDArray[np.float64]:
    row = np.full(columns, np.nan)
    row[column] = 1.0
    return row
