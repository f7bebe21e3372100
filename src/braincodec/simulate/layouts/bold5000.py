"""BOLD5000, small: betas of ten regions, presentation lists by session and run, pictures as files or in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.simulate.layouts.known_signal import coarse_pictures, linear_signal

REGIONS = ("EarlyVis", "LOC", "OPA", "PPA", "RSC")
BETAS = "BOLD5000_GLMsingle_ROI_betas/py"
STIMULI = "BOLD5000_Stimuli"
BASELINE, SIGNAL, NOISE = 1.5, 2.0, 1.0  # the scale is not one, so that rescaling shows


def write_bold5000(
    folder: str | Path,
    *,
    subjects: Sequence[str] = ("CSI1",),
    pictures: int = 24,
    repeated: int = 5,
    repetitions: int = 4,
    sessions: int = 3,
    last_subject_sessions: int = 2,
    runs: int = 2,
    voxels: Sequence[int] = (5, 4, 3, 4, 2, 3, 3, 2, 2, 1),
    size: int = 16,
    images: Literal["files", "img_dict"] = "files",
    seed: int = 0,
) -> Path:
    """Write the layout of BOLD5000.

    Parameters
    ----------
    folder : path
    subjects : sequence of str
        ``"CSI4"`` has `last_subject_sessions` sessions, so that not all pictures and repetitions are in them.
    pictures, repeated, repetitions : int
        Of `pictures`, the first `repeated` are shown `repetitions` times, one of them once less; the others once.
    sessions, last_subject_sessions, runs : int
        Trials are dealt to sessions, and in each to runs.
    voxels : sequence of int
        Of each region, left and right in turn.
    size : int
        Of the pictures, pixels.
    images : {"files", "img_dict"}
    seed : int

    Returns
    -------
    Path
        `folder`.

    Examples
    --------
    >>> import tempfile
    >>> len(list((write_bold5000(tempfile.mkdtemp()) / BETAS).glob("CSI1_*LH*.npy")))
    5
    """
    if not 2 <= repeated <= pictures or len(voxels) != 2 * len(REGIONS):
        raise InputValueError("repeated must be from 2 to pictures, and voxels ten numbers")
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    shown = coarse_pictures(pictures, size, rng)
    names = picture_names(pictures)
    _write_pictures(folder / STIMULI / "Scene_Stimuli", names, shown, images)
    listed = folder / STIMULI / "Scene_Stimuli" / "repeated_stimuli_113_list.txt"
    listed.write_text("\n".join(names[:repeated]) + "\n")
    for subject in subjects:
        own = np.random.default_rng([seed, *subject.encode()])
        times = np.where(np.arange(pictures) < repeated, repetitions, 1)
        times[repeated - 1] -= 1
        trials = own.permutation(np.repeat(np.arange(pictures), times))
        dealt = np.array_split(trials, sessions)[: last_subject_sessions if subject == "CSI4" else sessions]
        _write_lists(folder / STIMULI / "Stimuli_Presentation_Lists" / subject, subject, dealt, runs, names, repeated)
        seen = np.concatenate(dealt)
        signal = BASELINE + linear_signal(shown, sum(voxels), own, SIGNAL)
        _write_betas(
            folder / BETAS, subject, signal[seen] + NOISE * own.standard_normal((len(seen), sum(voxels))), voxels
        )
    return folder


def picture_names(count: int) -> list[str]:
    """File names as the three collections have them, in turn."""
    forms = ("COCO_train2014_{:012d}.jpg", "n01930112_{}.JPEG", "badlands{}.jpg")
    return [forms[number % 3].format(number + 1) for number in range(count)]


def _write_pictures(folder: Path, names: Sequence[str], shown: NDArray[np.uint8], images: str) -> None:
    from PIL import Image

    place = folder / "Presented_Stimuli"
    place.mkdir(parents=True, exist_ok=True)
    if images == "img_dict":
        named = np.array(dict(zip(names, shown, strict=True)), dtype=object)
        np.save(place / "img_dict.npy", named, allow_pickle=True)
        return
    for name, picture in zip(names, shown, strict=True):
        collection = "COCO" if name.startswith("COCO") else "ImageNet" if name.startswith("n0") else "Scene"
        (place / collection).mkdir(exist_ok=True)
        Image.fromarray(picture).save(place / collection / name, "JPEG", quality=100, subsampling=0)


def _write_lists(
    folder: Path, subject: str, dealt: Sequence[NDArray[np.int64]], runs: int, names: Sequence[str], repeated: int
) -> None:
    for session, trials in enumerate(dealt, start=1):
        place = folder / f"{subject}_sess{session:02d}"
        place.mkdir(parents=True, exist_ok=True)
        for run, part in enumerate(np.array_split(trials, runs), start=1):
            lines = [f"rep_{names[picture]}" if picture < repeated else names[picture] for picture in part]
            (place / f"{subject}_sess{session:02d}_run{run:02d}.txt").write_text("\n".join(lines) + "\n")


def _write_betas(folder: Path, subject: str, values: NDArray[np.float64], voxels: Sequence[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parts = np.split(values, np.cumsum(voxels)[:-1], axis=1)
    for number, part in enumerate(parts):
        hemisphere, roi = ("LH", "RH")[number % 2], REGIONS[number // 2]
        np.save(folder / f"{subject}_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_allses_{hemisphere}{roi}.npy", part)
