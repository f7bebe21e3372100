"""Images through one or several networks into caches of features, each image decoded and preprocessed once."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from braincodec import device as devices
from braincodec.errors import InputValueError
from braincodec.features.backbone import Backbone
from braincodec.features.cache.cache import FeatureCache
from braincodec.features.cache.growing import Block, GrowingCache, refuse_small_disk
from braincodec.features.cache.identity import cache_name, identity
from braincodec.features.extractor import FeatureConfig, FeatureExtractor
from braincodec.features.preprocessing import Preprocessing
from braincodec.features.registry import get_backbone
from braincodec.progress import progress_bar
from braincodec.stimuli import Batch, StimulusSet

if TYPE_CHECKING:
    import torch

PREFERRED_BATCH_SIZE = 32

Features = FeatureConfig | FeatureExtractor | dict[str, Any]


def extract(stimuli: Any, config: Features, folder: str | Path, **options: Any) -> FeatureCache:
    """Features of images, from the cache in `folder` or else computed into it.

    Parameters
    ----------
    stimuli : StimulusSet, or what `StimulusSet.open` takes
    config : FeatureConfig, dict or FeatureExtractor
        Network, layers, pooling and preprocessing; an extractor where the network is at hand already.
    folder : str or Path
        Holds any number of caches; each is named by a hash of the network's weights, layers, pooling, preprocessing,
        stimuli, `dtype` and `precision`, so that features that are there already are opened at once.
    **options
        See `extract_together`.

    Returns
    -------
    FeatureCache

    Raises
    ------
    UnknownNameError
        For a network, layer, dtype or device that does not exist.
    InputValueError
        When features do not fit the dtype (overflow), or images cannot be read.
    OutputError
        When the disk is too small or full, or another process is writing the same cache.

    Notes
    -----
    A run that was interrupted or killed goes on after the last stimuli that were stored, at most a few seconds of work
    ago, when the same call is made again.

    Examples
    --------
    >>> import tempfile
    >>> folder, images = tempfile.mkdtemp(), np.zeros((3, 32, 32, 3), np.uint8)
    >>> config = {"backbone": "gabor:bank", "layers": ["scales.0", "scales.3"]}
    >>> extract(images, config, folder).shapes
    {'scales.0': (163840,), 'scales.3': (2560,)}
    """
    return extract_together(stimuli, [config], folder, **options)[0]


def extract_together(
    stimuli: Any,
    configs: Sequence[Features],
    folder: str | Path,
    *,
    dtype: str = "float16",
    precision: str = "float32",
    device: str = "auto",
    batch_size: int | str = "auto",
    on_bad: str = "raise",
    progress: bool | None = None,
) -> list[FeatureCache]:
    """Features of several networks in one pass over the images, one cache for each; see `extract`.

    Each image is decoded once, and preprocessed once for each distinct preprocessing. Caches that are complete
    already are not computed again, those that are half done go on where they stopped.

    Parameters
    ----------
    stimuli : StimulusSet, or what `StimulusSet.open` takes
    configs : sequence of FeatureConfig, dict or FeatureExtractor
    folder : str or Path
    dtype : {"float16", "float32"}
        As features are stored; half precision keeps three digits and halves disk and reading time.
    precision : {"float32", "bfloat16", "float16"}
        In which the networks compute.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda:0"`` and so on.
    batch_size : int or "auto"
    on_bad : {"raise", "skip"}
        Whether an image that cannot be read ends the run, or is left out and listed in `FeatureCache.skipped`.
    progress : bool, optional
        Show a bar with the rate and the time left; default: when stderr is a terminal.

    Returns
    -------
    list of FeatureCache
        In the order of `configs`.
    """
    stimuli = StimulusSet.open(stimuli)
    if not len(stimuli):
        raise InputValueError("there are no stimuli to extract features of")
    target, number = devices.resolve_device(device), devices.resolve_dtype(precision)
    jobs = [_job(one, stimuli, Path(folder).expanduser(), dtype, number) for one in _extractors(configs)]
    to_do = list({job.path: job for job in jobs if not job.path.exists()}.values())
    if to_do:
        _run(to_do, stimuli, target, number, batch_size, on_bad, progress)
    caches = [FeatureCache(job.path) for job in jobs]
    for cache in caches:
        if cache.skipped and on_bad == "raise":
            name, reason = next(iter(cache.skipped.items()))
            raise InputValueError(
                f"{cache.path} lacks {len(cache.skipped)} of {len(stimuli)} stimuli that could not be read, such as "
                f"{name!r} ({reason}); on_bad='skip' accepts that, otherwise remove the folder and extract again"
            )
    return caches


@dataclass(frozen=True)
class _Job:
    extractor: FeatureExtractor
    about: dict[str, Any]
    path: Path


def _extractors(configs: Sequence[Features]) -> list[FeatureExtractor]:
    backbones: dict[str, Backbone] = {}
    extractors = []
    for config in configs:
        if isinstance(config, FeatureExtractor):
            extractors.append(config)
            continue
        config = FeatureConfig.parse(config)
        if config.backbone not in backbones:
            backbones[config.backbone] = get_backbone(config.backbone)
        extractors.append(FeatureExtractor(config, backbones[config.backbone]))
    return extractors


def _job(extractor: FeatureExtractor, stimuli: StimulusSet, folder: Path, dtype: str, number: torch.dtype) -> _Job:
    about = identity(extractor, stimuli, dtype=dtype, precision=str(number).removeprefix("torch."))
    return _Job(extractor, about, folder / cache_name(about))


def _run(
    jobs: Sequence[_Job],
    stimuli: StimulusSet,
    device: torch.device,
    number: torch.dtype,
    batch_size: int | str,
    on_bad: str,
    progress: bool | None,
) -> None:
    devices.keep_freed_memory()
    shapes = [_shapes(job.extractor, stimuli, on_bad) for job in jobs]
    extractors = [FeatureExtractor(job.extractor.config, job.extractor.backbone) for job in jobs]
    values = max(sum(map(math.prod, own.values())) for own in shapes)
    size = devices.choose_batch_size(
        batch_size,
        bytes_per_image=8 * 2**20 + 4 * 4 * values,
        device=device,
        preferred=PREFERRED_BATCH_SIZE,
        images=len(stimuli),
    )
    preprocessings = tuple(dict.fromkeys(extractor.preprocessing for extractor in extractors))
    with contextlib.ExitStack() as stack:
        growing = [
            stack.enter_context(GrowingCache(job.path, job.about, own, stimuli.ids.tolist()))
            for job, own in zip(jobs, shapes, strict=True)
        ]
        refuse_small_disk(growing)
        steps = [
            _Step(extractor.prepare(device, number), cache, preprocessings.index(extractor.preprocessing), size)
            for extractor, cache in zip(extractors, growing, strict=True)
        ]
        start = min(cache.progress.next_position for cache in growing)
        advance = stack.enter_context(progress_bar("extract features", len(stimuli), done=start, show=progress))
        reading = stimuli.batches(size, transform=_transform(preprocessings), start=start, on_bad=on_bad)
        # closed here: an error's traceback would keep the generator, and its decoding threads, alive
        batches = stack.enter_context(contextlib.closing(cast("Generator[Batch, None, None]", reading)))
        stack.enter_context(devices.fast_matmul(device))
        for batch in batches:
            for step in steps:
                step.take(batch)
            advance(len(batch) + len(batch.bad))
        for cache in growing:
            cache.finish()


class _Step:
    """One network's share of each batch."""

    def __init__(self, extractor: FeatureExtractor, cache: GrowingCache, which: int, size: int) -> None:
        self._extractor, self._cache, self._which, self._size = extractor, cache, which, size
        self._dtype = cache.identity["dtype"]

    def take(self, batch: Batch) -> None:
        """Compute and store the features of those stimuli that the cache lacks."""
        done = self._cache.progress.next_position
        if batch.next_position <= done:
            return
        missing = batch.positions >= done
        images = batch.images[self._which][missing] if missing.any() else None
        bad = [item for item in batch.bad if item.position >= done]
        self._cache.append(self._features(images, batch.ids[missing]), batch.next_position, bad)

    def _features(self, images: torch.Tensor | None, ids: np.ndarray) -> Block:
        empty = {layer: np.empty((0, *shape), self._dtype) for layer, shape in self._cache.shapes.items()}
        if images is None:
            return empty
        parts = []
        run = functools.partial(self._compute, images, ids)
        for part, fitted in devices.halve_on_out_of_memory(run, 0, len(images), self._size):
            parts.append(part)
            self._size = fitted
        if len(parts) == 1:
            return parts[0]
        return {layer: np.concatenate([part[layer] for part in parts]) for layer in empty}

    def _compute(self, images: torch.Tensor, ids: np.ndarray, begin: int, end: int) -> Block:
        import torch

        stored = getattr(torch, self._dtype)
        block: Block = {}

        def keep(layer: str, output: torch.Tensor) -> None:
            # a copy, because the network may go on to overwrite its output in place
            values = output.to(device="cpu", dtype=stored, copy=True, memory_format=torch.contiguous_format)
            if not bool(torch.isfinite(values).all()):
                raise self._not_finite(layer, values, ids[begin:end])
            block[layer] = values.numpy()

        self._extractor.stream(images[begin:end], keep)
        return block

    def _not_finite(self, layer: str, values: torch.Tensor, ids: np.ndarray) -> InputValueError:
        first = int((~values.isfinite()).flatten(1).any(1).nonzero()[0, 0])
        hint = "; they may be too large for float16: store dtype='float32'" if self._dtype == "float16" else ""
        return InputValueError(f"layer {layer!r} gives NaN or infinite features for stimulus {str(ids[first])!r}{hint}")


def _transform(preprocessings: tuple[Preprocessing, ...]) -> Callable[[np.ndarray], tuple[torch.Tensor, ...]]:
    def transform(images: np.ndarray) -> tuple[torch.Tensor, ...]:
        return tuple(preprocess(images) for preprocess in preprocessings)

    return transform


def _shapes(extractor: FeatureExtractor, stimuli: StimulusSet, on_bad: str) -> dict[str, tuple[int, ...]]:
    """Shape of one image's features for each layer; the first image tells the size where the preprocessing does not."""
    if extractor.preprocessing.output_size is not None:
        return extractor.feature_shapes()
    first = stimuli.batches(1, transform=extractor.preprocessing, on_bad=on_bad, prefetch=0)
    images = next((batch.images for batch in first if len(batch)), None)
    if images is None:
        raise InputValueError(f"none of the {len(stimuli)} stimuli can be read")
    return extractor.feature_shapes(tuple(images.shape[2:]))
