"""What lies on disk, what is wrong with it, and how much room everything takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from braincodec.datasets.nsd.design import Design, read_design
from braincodec.datasets.nsd.published import HOW_TO_GET, Published
from braincodec.datasets.nsd.spaces import Space
from braincodec.errors import BraincodecError
from braincodec.stimuli import StimulusSet

READ_AT_ONCE = 64  # stimuli
WIDTH = 12  # of the labels of `info`
PREPARED_BYTES = 4  # of a unit's response in one trial


def verify_files(
    spaces: Mapping[str, Space],
    counts: Mapping[str, int],
    published: Published,
    design: Path,
    stimuli: Path,
    read_stimuli: bool,
) -> list[str]:
    """Everything that is not as published, one sentence each.

    Parameters
    ----------
    spaces : mapping of subject to Space
    counts : mapping of subject to int
        Sessions to look for.
    published : Published
    design, stimuli : Path
    read_stimuli : bool
        Decode every image.
    """
    problems = _stimuli_problems(stimuli, published, read_stimuli)
    for name, space in spaces.items():
        if not space.sessions():
            problems.append(f"subject {name}: absent")
            continue
        try:
            found = _design_problems(read_design(design, int(name), published.images, HOW_TO_GET), space, published)
        except BraincodecError as error:
            found = [str(error)]
        problems += [f"subject {name}: {text}" for text in (*found, *_space_problems(space, counts[name], published))]
    return problems


def space_needed(published: Published, where: str) -> str:
    """What one subject takes on disk, from the published shapes.

    Parameters
    ----------
    published : Published
    where : str
        A resolution, or ``"fsaverage"``.

    Examples
    --------
    >>> print(space_needed(Published(), "fsaverage").splitlines()[1].strip())
    subject 1: 39.3 GB of responses in 80 files of 0.49 GB; prepared at most 39.3 GB
    """
    images = published.images * math.prod(published.image_shape)
    lines = [f"images {images / 1e9:,.1f} GB"]
    for name, sessions in published.sessions.items():
        if where == "fsaverage":
            units, files, size, note = 2 * published.vertices, 2, 4 * published.vertices, ""
        else:
            units = math.prod(published.volumes[where][name])
            files, size, note = 1, 2 * units, " (HDF5; compressed NIfTI takes less)"
        prepared = sessions * published.trials * units * PREPARED_BYTES
        each = size * published.trials
        lines.append(
            f"subject {name}: {sessions * files * each / 1e9:,.1f} GB of responses in {sessions * files} files of "
            f"{each / 1e9:,.2f} GB{note}; prepared at most {prepared / 1e9:,.1f} GB"
        )
    indent = "\n" + " " * (WIDTH + 2)
    return f"  {'will take':<{WIDTH}}{indent.join(lines)}"


def _stimuli_problems(path: Path, published: Published, read: bool) -> list[str]:
    try:
        stimuli = StimulusSet.from_hdf5(path)
        found = [] if len(stimuli) == published.images else [f"{len(stimuli):,} images, expected {published.images:,}"]
        if stimuli[0].shape != published.image_shape:
            found.append(f"images of shape {stimuli[0].shape}, expected {published.image_shape}")
        if read:
            batches = stimuli.batches(READ_AT_ONCE, transform=lambda images: images[:, 0, 0], on_bad="skip")
            found += [f"image {bad.id}: {bad.reason}" for batch in batches for bad in batch.bad]
    except BraincodecError as error:
        return [str(error)]
    return [f"{path}: {text}" for text in found]


def _design_problems(design: Design, space: Space, published: Published) -> list[str]:
    trials = published.sessions[space.subject] * published.trials
    if len(design.images) < trials:
        return [f"the design plans {len(design.images):,} trials, expected at least {trials:,}"]
    seen, expected = len(np.unique(design.images[:trials])), published.seen[space.subject]
    return [] if seen == expected else [f"{seen:,} images were seen, expected {expected:,}"]


def _space_problems(space: Space, count: int, published: Published) -> list[str]:
    present = space.sessions()
    problems = []
    missing = [number for number in range(1, count + 1) if number not in present]
    if missing:
        problems.append(f"{len(missing)} of {count} sessions are missing: {', '.join(map(str, missing))}")
    for number in present:
        try:
            trials = space.trials_in(number)
        except BraincodecError as error:
            problems.append(str(error))
            continue
        if trials != published.trials:
            problems.append(f"session {number} has {trials} trials, expected {published.trials}")
    for read in (space.regions, space.ncsnr):
        try:
            read()
        except BraincodecError as error:
            problems.append(str(error))
    return problems
