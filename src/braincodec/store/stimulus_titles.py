"""Titles for figures: what each image behind generated responses shows, as far as its labels or its name tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.legacy.labels import LABELS_OF
from braincodec.stimuli.decode import is_image_name


def titles_of(stimuli: str, ids: Sequence[str] | NDArray[np.str_], labels: Mapping[str, Any]) -> NDArray[np.str_]:
    """A title for each stimulus.

    Parameters
    ----------
    stimuli : str
        Name of the stimulus set.
    ids : sequence of str
        In the order of the rows.
    labels : mapping
        Metadata of generated responses, see `braincodec.legacy.labels.imageset_labels`.

    Returns
    -------
    array of str, shape (stimuli,)

    Examples
    --------
    >>> titles_of("things", ["images/sea_lion/sea_lion_01b.jpg"], {}).tolist()
    ['sea lion']
    >>> known = {"imagenet_val_labels": {"label_number": [1], "label_names": {0: "tench", 1: "goldfish, golden fish"}}}
    >>> titles_of("imagenet_val", ["imagenet_val-00000"], known).tolist()
    ['goldfish']
    >>> titles_of("nsd", ["nsd-00013"], {}).tolist(), titles_of("mine", ["trips/lake.png"], {}).tolist()
    (['nsd-00013'], ['lake'])
    """
    paths = [PurePosixPath(str(one)) for one in ids]
    if stimuli == "imagenet_val":
        classes = _classes(labels.get(LABELS_OF[stimuli], {}), len(paths))
        if classes:
            return np.asarray(classes)
    if stimuli == "things" and paths and all(path.parent.name for path in paths):
        return np.asarray([path.parent.name.replace("_", " ") for path in paths])  # the folder is the concept
    return np.asarray([path.stem if is_image_name(path.name) else path.name for path in paths], str)


def _classes(labels: Mapping[str, Any], count: int) -> list[str]:
    """First word for the class of each image; none where the labels do not tell all of them."""
    numbers, names = labels.get("label_number", ()), labels.get("label_names", {})
    words = names if isinstance(names, Mapping) else dict(enumerate(names))
    found = [words.get(int(number)) for number in numbers]
    if len(found) != count or any(word is None for word in found):
        return []
    return [str(word).partition(",")[0] for word in found]
