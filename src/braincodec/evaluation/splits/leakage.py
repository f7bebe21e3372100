"""Whether a test set holds images that a model has seen in training."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.datasets.base import Recording, Split
from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.checks import tiles
from braincodec.evaluation.splits.embedding import (
    DEFAULT_FEATURES,
    Features,
    directions,
    embedded,
    given_features,
    names_a_backbone,
    open_extractor,
)
from braincodec.evaluation.splits.leakage_check import LeakageCheck
from braincodec.progress import progress_bar
from braincodec.stimuli.copies.flat import compare_flat
from braincodec.stimuli.copies.matching import DIFFERENCE_BITS, FREQUENCY_BITS, KINDS, Found, Side, find_pairs
from braincodec.stimuli.copies.perceptual_hash import Fingerprints, fingerprints

if TYPE_CHECKING:
    from braincodec.features import FeatureExtractor
    from braincodec.stimuli import Batch, StimulusSet

Method = Literal["hash", "features", "both"]
METHODS: tuple[str, ...] = ("hash", "features", "both")

# A training image and its nearest neighbour in the training set are as alike as different pictures of one data set
# get. On the scale where correlations are about normal (Fisher's z), four robust standard deviations above the usual
# is beyond what different pictures reach. Bounded, because a set full of near-copies makes them look usual: features
# of an image and of the inner nine tenths of it correlate at 0.85 or more, of an image and its mirror image at 0.93.
DEVIATIONS = 4.0
LEAST_SIMILARITY, MOST_SIMILARITY = 0.8, 0.95
SIMILARITY_WHEN_FEW, FEW_IMAGES = 0.9, 20
MOST_QUERIES = 2000
NORMAL_FROM_MEDIAN = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


def check_leakage(
    stimuli: StimulusSet | Recording,
    split: Split | Mapping[str, Iterable[object]] | None = None,
    *,
    method: Method = "hash",
    features: Features | None = None,
    similarity: float | None = None,
    bits: tuple[int, int] = (FREQUENCY_BITS, DIFFERENCE_BITS),
    repetition_of: Mapping[str, object] | Sequence[object] | None = None,
    batch_size: int = 32,
    device: str = "auto",
    seed: int = 0,
    progress: bool | None = None,
) -> LeakageCheck:
    """Look for test images that are also, or nearly, among the images a model is fitted on.

    Every image of the split is read once. Each test image is compared with each training and validation image:

    - ``same stimulus``: one id, or one stimulus by `repetition_of`, on both sides;
    - ``identical``: every decoded pixel is equal, whatever the files are;
    - ``near-identical``: the 64-bit hashes differ in few bits and the thumbnails correlate. Finds recompressed,
      resized, brightened, noisy and grey copies, and crops that lose up to 2 % of height and width;
    - ``mirrored``: the same for the mirror image;
    - ``similar features``: a network sees the same content. Also finds crops that lose a tenth of height and width,
      and often more.

    Parameters
    ----------
    stimuli : StimulusSet or Recording
    split : Split or mapping of part to ids, optional
        Default: the recording's. A mapping may name an id in two parts, which is then reported.
    method : {"hash", "features", "both"}
        Identical pixels are looked for by each.
    features : str, FeatureConfig, dict, FeatureExtractor or array, optional
        A backbone (default ``"efficientnet_lite:0"``), or features at hand: shape (stimuli, features), in the order of
        the stimulus set or labelled by `stimulus`. Used by the methods "features" and "both".
    similarity : float, optional
        Least cosine similarity of features, minus their training mean, that counts. Default: learned from the training
        images, see Notes.
    bits : (int, int)
        Most bits of 64 that may differ in `perceptual_hash` or `difference_hash`.
    repetition_of : mapping of id to name, or sequence, optional
        What each id of the stimulus set is a presentation of, where repetitions have ids of their own.
    batch_size : int
    device : str
    seed : int
        Draws the training images from which the similarity is learned, where there are many.
    progress : bool, optional
        Whether to show a bar; default: when stderr is a terminal.

    Returns
    -------
    LeakageCheck

    Raises
    ------
    InputValueError
        When there is no split, a part is empty, or an id has no image or no features.
    UnknownNameError
        For another method.
    MissingExtraError, MissingFileError
        When the features' backbone is not installed.

    Notes
    -----
    The learned similarity lies four robust standard deviations, on Fisher's z scale, above the usual similarity of a
    training image to its nearest neighbour among the training images; never below 0.8 or above 0.95.

    An image with hardly any contrast has no hash worth the name. Such images are compared pixel by pixel, and counted
    in the notes. Memory: about 1 kB an image, and the features.

    Examples
    --------
    >>> from braincodec.stimuli import StimulusSet
    >>> pixels = np.random.default_rng(0).integers(0, 255, (4, 6, 6, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    >>> pixels[3] = pixels[0] // 2 + 60
    >>> check = check_leakage(StimulusSet.open(pixels), Split(train=["0", "1"], test=["2", "3"]))
    >>> check.passed, check.pairs[["train", "test", "kind"]].values.tolist()
    (False, [['0', '3', 'near-identical']])
    """
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    images, parts = _images_and_parts(stimuli, split)
    fitted, tested = [*parts["train"], *parts["validation"]], parts["test"]
    wanted = list(dict.fromkeys([*fitted, *tested]))  # an id may be on both sides
    known = [str(item) for item in images.ids]
    _check_known(wanted, known)
    names = _names(repetition_of, known)
    source: Features = DEFAULT_FEATURES if features is None else features
    extractor, values = _features_or_extractor(source, method, known, wanted)
    prints, computed = _read(images[wanted], extractor, batch_size, device, progress)
    values = computed if values is None else values

    row_of = {item: row for row, item in enumerate(wanted)}
    train_rows, test_rows = (np.array([row_of[item] for item in ids], np.intp) for ids in (fitted, tested))
    thresholds: dict[str, float] = {}
    unit = None
    if method != "features":
        thresholds = {"frequency_bits": float(bits[0]), "difference_bits": float(bits[1])}
    if values is not None:
        learning = train_rows[: len(parts["train"])]
        unit = directions(values, values[learning].mean(axis=0, dtype=np.float64))
        thresholds["similarity"] = similarity_threshold(unit[learning], seed) if similarity is None else similarity
    _, pixels = np.unique(prints.digest, axis=0, return_inverse=True)
    _, stimulus = np.unique([names.get(item, item) for item in wanted], return_inverse=True)
    every = Side(stimulus, pixels.reshape(-1), prints if method != "features" else None, unit)
    train, test = every.take(train_rows), every.take(test_rows)
    flat = None if method == "features" else compare_flat(images, (fitted, tested), (train, test))
    found = find_pairs(train, test, bits, thresholds.get("similarity", np.inf), None if flat is None else flat.pairs)
    return LeakageCheck(
        method=method,
        features=None if method == "hash" else _described(extractor),
        n_train=len(parts["train"]),
        n_validation=len(parts["validation"]),
        n_test=len(tested),
        counts={kind: int(found.counts[code]) for code, kind in enumerate(KINDS, start=1)},
        pairs=_table(found, parts),
        leaking=tuple(item for item, leaks in zip(tested, found.leaking, strict=True) if leaks),
        thresholds=thresholds,
        notes=() if flat is None else flat.notes,
    )


def similarity_threshold(unit: NDArray[np.float32], seed: int = 0) -> float:
    """Similarity above which two images are too alike to be different pictures; see `check_leakage`.

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Features of the training images, minus their mean, of length one.
    seed : int
        Draws 2,000 images to ask for their neighbours, where there are more.

    Examples
    --------
    >>> unit = directions(np.random.default_rng(0).standard_normal((500, 64)), np.zeros(64))
    >>> similarity_threshold(unit)
    0.8
    """
    count = len(unit)
    if count < FEW_IMAGES:
        return SIMILARITY_WHEN_FEW
    queries = np.sort(np.random.default_rng(seed).permutation(count)[:MOST_QUERIES])
    nearest = np.empty(len(queries), np.float32)
    for rows in tiles(len(queries), bytes_each=4 * count):
        cosine = unit[queries[rows]] @ unit.T
        cosine[np.arange(len(cosine)), queries[rows]] = -1  # itself
        nearest[rows] = cosine.max(axis=1)
    scores = np.arctanh(np.clip(nearest, -0.999, 0.999).astype(np.float64))
    usual = np.median(scores)
    spread = NORMAL_FROM_MEDIAN * np.median(np.abs(scores - usual))
    return float(np.clip(np.tanh(usual + DEVIATIONS * spread), LEAST_SIMILARITY, MOST_SIMILARITY))


def _images_and_parts(
    stimuli: StimulusSet | Recording, split: Split | Mapping[str, Iterable[object]] | None
) -> tuple[StimulusSet, dict[str, list[str]]]:
    if isinstance(stimuli, Recording):
        split = stimuli.split if split is None else split
        stimuli = stimuli.stimuli
    if split is None:
        raise InputValueError("a stimulus set has no split of its own; give one: check_leakage(stimuli, split)")
    if not isinstance(split, Split | Mapping):
        raise InputTypeError(f"split must be a Split or a mapping of part to ids, not {type(split).__name__}")
    given = split.to_dict() if isinstance(split, Split) else split
    for part in given:
        if part not in Split.PARTS:
            raise UnknownNameError("part of a split", part, Split.PARTS)
    # an id that repeats within one part is one stimulus
    parts = {part: list(dict.fromkeys(str(item) for item in given.get(part, ()))) for part in Split.PARTS}
    for part in ("train", "test"):
        if not parts[part]:
            raise InputValueError(f"the split has no {part} stimuli, so there is nothing to compare")
    return stimuli, parts


def _check_known(wanted: Sequence[str], known: Sequence[str]) -> None:
    names = set(known)
    absent = [item for item in wanted if item not in names]
    if absent:
        raise InputValueError(f"{len(absent)} stimuli of the split have no image, the first is {absent[0]!r}")


def _names(repetition_of: Mapping[str, object] | Sequence[object] | None, known: Sequence[str]) -> dict[str, str]:
    if repetition_of is None:
        return {}
    if isinstance(repetition_of, Mapping):
        return {str(item): str(name) for item, name in repetition_of.items()}
    if len(repetition_of) != len(known):
        raise InputValueError(f"repetition_of has {len(repetition_of)} names for {len(known)} stimuli")
    return dict(zip(known, map(str, repetition_of), strict=True))


def _features_or_extractor(
    source: Features, method: str, known: Sequence[str], wanted: Sequence[str]
) -> tuple[FeatureExtractor | None, NDArray[np.floating[Any]] | None]:
    if method == "hash":
        return None, None
    if names_a_backbone(source):
        return open_extractor(source), None
    return None, given_features(source, known, wanted)


def _read(
    images: StimulusSet, extractor: FeatureExtractor | None, batch_size: int, device: str, progress: bool | None
) -> tuple[Fingerprints, NDArray[np.float32] | None]:
    """Fingerprints and, with an extractor, features of every image, each decoded once."""
    from braincodec.device import resolve_device

    if extractor is not None:
        extractor.prepare(resolve_device(device))

    def transform(pixels: NDArray[np.uint8]) -> tuple[Any, ...]:
        made = tuple(fingerprints(pixels))
        return made if extractor is None else (*made, extractor.preprocessing(pixels))

    prints: list[tuple[NDArray[Any], ...]] = []
    values: list[NDArray[np.float32]] = []
    reading = cast("Generator[Batch, None, None]", images.batches(batch_size, transform=transform))
    with (
        progress_bar("check for leakage", len(images), show=progress) as advance,
        # closed here: an error's traceback would keep the generator, and its decoding threads, alive
        contextlib.closing(reading) as batches,
    ):
        for batch in batches:
            made = batch.images
            prints.append(made[: len(Fingerprints._fields)])
            if extractor is not None:
                values.append(embedded(extractor, made[-1]))
            advance(len(batch))
    together = Fingerprints(*(np.concatenate(column) for column in zip(*prints, strict=True)))
    return together, np.concatenate(values) if values else None


def _described(extractor: FeatureExtractor | None) -> str:
    if extractor is None:
        return "given by the caller"
    return f"{extractor.config.backbone}, {', '.join(extractor.layers)}"


def _table(found: Found, parts: Mapping[str, list[str]]) -> pd.DataFrame:
    fitted = np.array([*parts["train"], *parts["validation"]], dtype=str)
    part = np.repeat(["train", "validation"], [len(parts["train"]), len(parts["validation"])])
    order = np.lexsort((found.train, found.test, found.distance, found.kind))
    train, test, kind = found.train[order], found.test[order], found.kind[order]
    return pd.DataFrame(
        {
            "part": part[train],
            "train": fitted[train],
            "test": np.array(parts["test"], dtype=str)[test],
            "kind": np.array(KINDS)[kind.astype(np.intp) - 1],
            "distance": found.distance[order].astype(np.float64),
        }
    )
