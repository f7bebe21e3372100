"""Groups of images that are near copies of each other, so that a split can keep them on one side."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from braincodec.progress import progress_bar
from braincodec.stimuli.copies.flat import compare_flat
from braincodec.stimuli.copies.matching import DIFFERENCE_BITS, FREQUENCY_BITS, Side, find_pairs
from braincodec.stimuli.copies.perceptual_hash import Fingerprints, fingerprints

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet

READ_AT_ONCE = 32  # images
NO_SIMILARITY = np.inf  # of features: none are compared


def near_copy_groups(stimuli: StimulusSet, *, progress: bool | None = None) -> NDArray[np.int64]:
    """Which images are the same picture: identical, nearly so, or mirrored.

    Every image is read once. The measures are those of `braincodec.evaluation.check_leakage`, so a split that keeps
    these groups together passes its check by hashes.

    Parameters
    ----------
    stimuli : StimulusSet
    progress : bool, optional
        Whether to show a bar; default: when stderr is a terminal.

    Returns
    -------
    array of int, shape (stimuli,)
        The position of the first image of each one's group: its own where it has no near copy before it.

    Raises
    ------
    DamagedFileError
        When an image cannot be read.

    Notes
    -----
    Groups are connected: where A is a near copy of B and B of C, all three are one group. Memory: about 1 kB an image.

    Examples
    --------
    >>> from braincodec.stimuli import StimulusSet
    >>> pixels = np.random.default_rng(0).integers(0, 255, (3, 6, 6, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    >>> pixels[2] = pixels[0] // 2 + 60
    >>> near_copy_groups(StimulusSet.open(pixels)).tolist()
    [0, 1, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(stimuli)
    if count < 2:
        return np.arange(count)
    prints = _fingerprints_of(stimuli, progress)
    _, pixels = np.unique(prints.digest, axis=0, return_inverse=True)
    side = Side(np.arange(count), pixels.reshape(-1), prints)
    ids = [str(item) for item in stimuli.ids]
    flat = compare_flat(stimuli, (ids, ids), (side, side))
    found = find_pairs(side, side, (FREQUENCY_BITS, DIFFERENCE_BITS), NO_SIMILARITY, flat.pairs)
    links = coo_array((np.ones(len(found.train), bool), (found.train, found.test)), shape=(count, count))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    return cast("NDArray[np.int64]", first[group].astype(np.int64))


def _fingerprints_of(stimuli: StimulusSet, progress: bool | None) -> Fingerprints:
    made = []
    with progress_bar("look for near copies", len(stimuli), show=progress) as advance:
        for batch in stimuli.batches(READ_AT_ONCE, transform=lambda images: tuple(fingerprints(images))):
            made.append(batch.images)
            advance(len(batch))
    return Fingerprints(*(np.concatenate(column) for column in zip(*made, strict=True)))
