"""Stimuli through an encoder, batch after batch, into memory or into a file."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from braincodec import device as devices
from braincodec.errors import InputValueError
from braincodec.memory import free_main_memory
from braincodec.models.sharing import preprocess
from braincodec.progress import progress_bar
from braincodec.stimuli import BadStimulus, Batch, StimulusSet

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from braincodec.models.base import Encoder


def encode(encoder: Encoder, stimuli: Any, *, progress: bool | None, **options: Any) -> xr.DataArray:
    """See `Encoder.encode`."""
    stimuli = StimulusSet.open(stimuli)
    shape = (len(stimuli), *encoder.response_shape)
    _refuse_too_large(shape)
    values = np.empty(shape, np.float32)
    ids: list[str] = []
    bad: list[Any] = []
    with (
        progress_bar("encode", len(stimuli), show=progress) as advance,
        # closed here: an error's traceback would keep the generator, and its decoding threads, alive
        contextlib.closing(encode_batches(encoder, stimuli, **options)) as batches,
    ):
        for batch, block in batches:
            values[len(ids) : len(ids) + len(block)] = block
            ids += list(batch.ids)
            bad += batch.bad
            advance(len(block) + len(batch.bad))
    responses = response_template(encoder, values[: len(ids)], ids)
    if bad:
        responses.attrs["skipped"] = json.dumps({item.id: item.reason for item in bad})
    return responses


def encode_to(
    encoder: Encoder,
    path: str | Path,
    stimuli: Any,
    *,
    progress: bool | None,
    overwrite: bool,
    on_skip: Callable[[BadStimulus], None] | None,
    **options: Any,
) -> Path:
    """See `Encoder.encode_to`."""
    from braincodec.responses.writer import ResponseWriter

    stimuli = StimulusSet.open(stimuli)
    template = response_template(encoder, np.empty((0, *encoder.response_shape), np.float32), [])
    plan = {
        "model": encoder.identity(),
        "stimuli": stimuli.fingerprint(),
        "dtype": options["dtype"],
        "on_bad": options["on_bad"],
    }
    with (
        ResponseWriter(path, template, plan=plan, overwrite=overwrite, expected_stimuli=len(stimuli)) as writer,
        progress_bar("encode", len(stimuli), done=writer.next_position, show=progress) as advance,
        contextlib.closing(encode_batches(encoder, stimuli, start=writer.next_position, **options)) as batches,
    ):
        for batch, block in batches:
            writer.write(block, batch.ids, batch.next_position, bad=batch.bad)
            advance(len(block) + len(batch.bad))
        writer.commit()
        if on_skip is not None:
            for item in writer.bad:
                on_skip(BadStimulus(**item))
    return Path(path)


def encode_batches(
    encoder: Encoder,
    stimuli: StimulusSet,
    *,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int | str = "auto",
    on_bad: str = "raise",
    start: int = 0,
) -> Generator[tuple[Batch, np.ndarray], None, None]:
    """Yield each batch with its responses, float32 (images, *response_shape).

    The next batch is decoded while the present one is computed. When memory runs out the step is halved, and stays so.
    """
    import torch

    target, number = devices.resolve_device(device), devices.resolve_dtype(dtype)
    devices.keep_freed_memory()
    with torch.inference_mode():
        encoder.prepare(target, number)
    size = devices.choose_batch_size(
        batch_size,
        bytes_per_image=encoder.bytes_per_image(),
        device=target,
        preferred=encoder.preferred_batch_size,
        images=max(1, len(stimuli)),
    )
    step = size
    reading = stimuli.batches(size, transform=preprocess(encoder.preprocessings), start=start, on_bad=on_bad)
    with contextlib.closing(cast("Generator[Batch, None, None]", reading)) as batches:
        for batch in batches:
            blocks = [np.empty((0, *encoder.response_shape), np.float32)]
            run = _step(encoder, batch.images, target, number)
            with torch.inference_mode(), devices.fast_matmul(target):
                for block, fitted in devices.halve_on_out_of_memory(run, 0, len(batch.ids), step):
                    blocks.append(block)
                    step = fitted
            yield batch, blocks[1] if len(blocks) == 2 else np.concatenate(blocks)


def _refuse_too_large(shape: tuple[int, ...]) -> None:
    needed, free = 4 * math.prod(shape), free_main_memory()
    if needed > free:
        raise InputValueError(
            f"responses of shape {shape} need {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free: "
            "stream them to a file with encode_to, or take fewer stimuli or units"
        )


def _step(
    encoder: Encoder, images: tuple[torch.Tensor, ...], device: torch.device, dtype: torch.dtype
) -> Callable[[int, int], np.ndarray]:
    def run(begin: int, end: int) -> np.ndarray:
        parts = (part[begin:end].to(device=device, dtype=dtype, non_blocking=True) for part in images)
        return encoder.predict(*parts).float().cpu().numpy()

    return run


def response_template(encoder: Encoder, values: np.ndarray, ids: list[str]) -> xr.DataArray:
    """Label `values` (stimulus, *response_dims) with the stimulus ids and the encoder's unit coordinates."""
    import xarray as xr

    from braincodec import __version__
    from braincodec.responses.coordinates import units_to_coordinates

    coordinates: dict[str, Any] = dict(units_to_coordinates(encoder.units))
    coordinates["stimulus"] = ("stimulus", np.asarray(ids, dtype=str))
    attrs = dict(encoder.units.attrs) | {
        "modality": encoder.description.modality,
        "model": encoder.description.model,
        "simulated": int(encoder.description.simulated),
        "braincodec_version": __version__,
    }
    if encoder.description.response_units != "unknown":
        attrs["response_units"] = encoder.description.response_units
    return xr.DataArray(
        values, dims=("stimulus", *encoder.response_dims), coords=coordinates, attrs=attrs, name="responses"
    )
