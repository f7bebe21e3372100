"""The Algonauts 2023 challenge, small: responses of both hemispheres, masks, mappings and images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braincodec.simulate.layouts.known_signal import coarse_pictures, linear_signal
from braincodec.simulate.layouts.nsd import TABLES

SIDES = ("lh", "rh")
NOISE = 0.3  # against a signal of about 1


def write_algonauts2023(
    folder: str | Path,
    *,
    subjects: tuple[int, ...] = (1, 6),
    train: int = 20,
    test: int = 6,
    vertices: tuple[int, int] = (14, 17),
    fsaverage: int = 40,
    pixels: int = 8,
    test_responses: bool = False,
    seed: int = 0,
) -> Path:
    """Write the folders of some subjects.

    Parameters
    ----------
    folder : path
    subjects : tuple of int
    train, test : int
        Images of each subject.
    vertices : (int, int)
        Of the challenge, left and right.
    fsaverage : int
        Vertices of a hemisphere.
    pixels : int
    test_responses : bool
        Also write the responses that the challenge withheld, and noise ceilings.
    seed : int

    Returns
    -------
    Path
        `folder`.

    Examples
    --------
    >>> import tempfile
    >>> root = write_algonauts2023(tempfile.mkdtemp(), subjects=(1,))
    >>> sorted(path.name for path in (root / "subj01").iterdir())
    ['roi_masks', 'test_split', 'training_split']
    """
    root, rng = Path(folder), np.random.default_rng(seed)
    for subject in subjects:
        person = root / f"subj{subject:02d}"
        pictures = coarse_pictures(train + test, pixels, rng)
        numbers = np.sort(rng.choice(73_000, train + test, replace=False))
        in_test = np.isin(np.arange(train + test), rng.choice(train + test, test, replace=False))
        for part, chosen in (("train", ~in_test), ("test", in_test)):
            _write_images(person, part, pictures[chosen], numbers[chosen])
        for side, count in zip(SIDES, vertices, strict=True):
            signal = linear_signal(pictures, count, rng)
            responses = (signal + NOISE * rng.standard_normal(signal.shape)).astype(np.float32)
            _save(person / "training_split" / "training_fmri" / f"{side}_training_fmri.npy", responses[~in_test])
            if test_responses:
                _save(person / "test_split" / "test_fmri" / f"{side}_test_fmri.npy", responses[in_test])
                _save(person / "test_split" / "noise_ceiling" / f"{side}_noise_ceiling.npy", rng.uniform(size=count))
            _write_masks(person / "roi_masks", side, count, fsaverage, rng)
        for atlas, names in TABLES.items():
            mapping = dict(enumerate(("Unknown", *names)))
            np.save(person / "roi_masks" / f"mapping_{atlas}.npy", np.array(mapping, object), allow_pickle=True)
    return root


def _write_images(person: Path, part: str, pictures: NDArray[np.uint8], numbers: NDArray[np.int64]) -> None:
    from PIL import Image

    word = "training" if part == "train" else part
    folder = person / f"{word}_split" / f"{word}_images"
    folder.mkdir(parents=True, exist_ok=True)
    for place, (picture, number) in enumerate(zip(pictures, numbers, strict=True), start=1):
        Image.fromarray(picture).save(folder / f"{part}-{place:04d}_nsd-{number:05d}.png")


def _write_masks(folder: Path, side: str, count: int, fsaverage: int, rng: np.random.Generator) -> None:
    mask = np.zeros(fsaverage, np.int64)
    mask[rng.choice(fsaverage, count, replace=False)] = 1
    _save(folder / f"{side}.all-vertices_fsaverage_space.npy", mask)
    for atlas, names in TABLES.items():
        labels = mask * rng.integers(0, len(names) + 1, fsaverage)
        _save(folder / f"{side}.{atlas}_fsaverage_space.npy", labels)
        _save(folder / f"{side}.{atlas}_challenge_space.npy", labels[mask == 1])


def _save(path: Path, array: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array, allow_pickle=False)
