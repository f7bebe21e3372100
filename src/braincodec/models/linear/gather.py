"""Features of all training stimuli, extracted once, as one table for all recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.features import Backbone, FeatureCache, FeatureConfig, FeatureExtractor, extract_together, get_backbone
from braincodec.models.linear.config import layer_keys
from braincodec.models.linear.recipe import MOST_SINGLE_BYTES, LinearRecipe

if TYPE_CHECKING:
    from braincodec.models.training_data import Examples
    from braincodec.stimuli import StimulusSet

FEATURES_FOLDER = "features"


@dataclass(frozen=True, eq=False)
class Gallery:
    """Stimuli of one set, each once, and where those of each recording are among them.

    Parameters
    ----------
    stimuli : StimulusSet
    rows : dict of int to array of int
        Rows of the stimuli of a recording, by its number.
    """

    stimuli: StimulusSet
    rows: dict[int, NDArray[np.int64]]


def galleries(data: Sequence[Examples]) -> list[Gallery]:
    """Training stimuli of all recordings; what recordings of one stimulus set share is there once."""
    if len(data) == 1:
        return [Gallery(data[0].stimuli, {0: np.arange(len(data[0].stimuli))})]
    numbers: dict[str, list[int]] = {}
    for number, one in enumerate(data):
        numbers.setdefault(one.recording.stimuli.fingerprint(), []).append(number)
    found = []
    for members in numbers.values():
        place: dict[str, int] = {}
        for number in members:
            for name in data[number].stimuli.ids.tolist():
                place.setdefault(name, len(place))
        rows = {number: np.array([place[name] for name in data[number].stimuli.ids.tolist()]) for number in members}
        found.append(Gallery(data[members[0]].recording.stimuli[list(place)], rows))
    return found


@dataclass(frozen=True, eq=False)
class Plan:
    """Networks, layers and stimuli, before anything is extracted.

    Parameters
    ----------
    extractors : list of FeatureExtractor
    image_sizes : list of (int, int)
        Height and width of the images that each network sees.
    galleries : list of Gallery
    widths : dict of str to int
        Number of features of each layer, by its name among the tensors.
    """

    extractors: list[FeatureExtractor]
    image_sizes: list[tuple[int, int]]
    galleries: list[Gallery]
    widths: dict[str, int]

    @property
    def features(self) -> tuple[FeatureConfig, ...]:
        """What is extracted, names of layers and preprocessing written out."""
        return tuple(one.config for one in self.extractors)

    @property
    def stored_features(self) -> FeatureConfig | tuple[FeatureConfig, ...]:
        """`features` as a trained encoder's settings say them: one alone is no tuple."""
        return self.features if len(self.features) > 1 else self.features[0]

    @property
    def stimuli(self) -> int:
        """How many there are in all."""
        return sum(len(one.stimuli) for one in self.galleries)

    def rows(self) -> list[NDArray[np.int64]]:
        """Rows of the table that belong to each recording."""
        found: dict[int, NDArray[np.int64]] = {}
        begin = 0
        for one in self.galleries:
            found |= {number: begin + rows for number, rows in one.rows.items()}
            begin += len(one.stimuli)
        return [found[number] for number in range(len(found))]


def make_plan(recipe: LinearRecipe, networks: Mapping[str, Backbone], data: Sequence[Examples]) -> Plan:
    """Load the networks and find the sizes of their layers.

    Raises
    ------
    UnknownNameError
        When a network or layer does not exist.
    """
    known = dict(networks)
    extractors = []
    for choice in recipe.choices:
        if choice.backbone not in known:
            known[choice.backbone] = get_backbone(choice.backbone)
        backbone = known[choice.backbone]
        extractors.append(FeatureExtractor(choice.for_backbone(backbone), backbone))
    first = data[0].stimuli[:1]
    widths: dict[str, int] = {}
    sizes = []
    for extractor, keys in zip(extractors, layer_keys(tuple(one.config for one in extractors)), strict=True):
        size = extractor.preprocessing.output_size
        if size is None:
            _, _, height, width = extractor.preprocessing(first[0][None]).shape
            size = (height, width)
        sizes.append(size)
        shapes = extractor.feature_shapes(size)
        widths |= {key: math.prod(shapes[layer]) for layer, key in keys.items()}
    return Plan(extractors, sizes, galleries(data), widths)


@dataclass(frozen=True, eq=False)
class Gathered:
    """Features of all training stimuli.

    Parameters
    ----------
    arrays : dict of str to array-like, each of shape (stimuli, features)
        Read when sliced.
    names : tuple of str
        Of the caches: equal names, equal features.
    """

    arrays: dict[str, Any]
    names: tuple[str, ...]


def gather(
    plan: Plan, recipe: LinearRecipe, workspace: Path, *, device: str, batch_size: int | str, progress: bool | None
) -> Gathered:
    """Extract features into the workspace, or open those that are there."""
    dtype = recipe.feature_dtype
    if dtype == "auto":
        dtype = "float32" if 4 * plan.stimuli * sum(plan.widths.values()) <= MOST_SINGLE_BYTES else "float16"
    caches: list[list[FeatureCache]] = [
        extract_together(
            one.stimuli,
            plan.extractors,
            workspace / FEATURES_FOLDER,
            dtype=dtype,
            device=device,
            batch_size=batch_size,
            progress=progress,
        )
        for one in plan.galleries
    ]
    arrays: dict[str, Any] = {}
    for number, keys in enumerate(layer_keys(plan.features)):
        for layer, key in keys.items():
            parts = [own[number].arrays[layer] for own in caches]
            arrays[key] = parts[0] if len(parts) == 1 else Stacked(parts)
    return Gathered(arrays, tuple(cache.path.name for own in caches for cache in own))


class Stacked:
    """Arrays on disk, one below the other, read when sliced.

    Examples
    --------
    >>> stacked = Stacked([np.zeros((2, 3)), np.ones((4, 3))])
    >>> stacked.shape, stacked[1:3, :2].tolist()
    ((6, 3), [[0.0, 0.0], [1.0, 1.0]])
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = list(parts)
        self._ends = np.cumsum([part.shape[0] for part in self._parts])
        self.shape = (int(self._ends[-1]), *self._parts[0].shape[1:])
        self.dtype = self._parts[0].dtype
        self.chunks = getattr(self._parts[0], "chunks", None)

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[Any]:
        rows, columns = key
        start, stop, _ = rows.indices(self.shape[0])
        found = []
        for part, end in zip(self._parts, self._ends, strict=True):
            begin = end - part.shape[0]
            if start < end and stop > begin:
                found.append(np.asarray(part[max(start - begin, 0) : stop - begin, columns]))
        return np.concatenate(found)
