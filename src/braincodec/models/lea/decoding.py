"""fMRI patterns through a trained LEA: to image embeddings, to images, and to the nearest of a gallery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from braincodec.device import resolve_device, resolve_dtype
from braincodec.errors import InputValueError
from braincodec.models.lea.alignment.scaling import check_rule
from braincodec.models.lea.encoding import embed
from braincodec.models.lea.fmri_latent import encode_patterns
from braincodec.models.lea.gallery import Gallery, given_embeddings, nearest
from braincodec.models.lea.given_patterns import given_patterns
from braincodec.models.lea.image_embedding import scaled_to_unit_length
from braincodec.models.lea.inversion import explain
from braincodec.responses.checks import refuse_duplicates
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.selection import check_whole_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.lea.aligned import AlignedEncoder


class Running(NamedTuple):
    """Where and how networks run.

    Parameters
    ----------
    device : str
    dtype : str
    progress : bool, optional
    one_network_at_a_time : bool
        Keep none on the device when it has done its part.
    """

    device: str = "auto"
    dtype: str = "float32"
    progress: bool | None = None
    one_network_at_a_time: bool = False


class Predicted(NamedTuple):
    """Image embeddings that were read out of fMRI patterns.

    Parameters
    ----------
    embeddings : array of float32, shape (stimuli, dimension)
    ids : array of str, shape (stimuli,)
    """

    embeddings: NDArray[np.float32]
    ids: NDArray[Any]


def fmri_latents(model: AlignedEncoder, responses: Any, running: Running) -> Predicted:
    """Latents of patterns, shape (stimuli, latent), and their ids; see `LEA.fmri_latents`."""
    given = given_patterns(responses, model.units, model.description, used=model.measured)
    refuse_duplicates("stimulus id", given.ids)
    place, number = resolve_device(running.device), resolve_dtype(running.dtype)
    patterns = model.standardised(given.values)
    if running.one_network_at_a_time:
        model.release()
    network = model.latent_network if running.one_network_at_a_time else model.prepare(place, number).latent_there
    return Predicted(encode_patterns(network, patterns, place, number, progress=running.progress), given.ids)


def predict_embeddings(model: AlignedEncoder, responses: Any, rescale: str | None, running: Running) -> Predicted:
    """Image embeddings that patterns speak of; see `LEA.predict_embeddings`."""
    rule = rescale or model.config.rescale
    check_rule(rule)
    latents, ids = fmri_latents(model, responses, running)
    return Predicted(_embeddings_of(model, latents, rule), ids)


def _embeddings_of(model: AlignedEncoder, latents: NDArray[np.float32], rule: str) -> NDArray[np.float32]:
    embeddings = model.decoding_map.scaling.apply(model.decoding_map.predict(latents), rule)
    return scaled_to_unit_length(embeddings) if model.config.unit_length else embeddings


def retrieve(
    model: AlignedEncoder,
    responses: Any,
    gallery: Any,
    k: int,
    running: Running,
    *,
    rescale: str | None,
    batch_size: int | str,
) -> xr.Dataset:
    """The images of a gallery that are most like what was seen; see `LEA.retrieve`."""
    check_whole_number("k", k, 1)
    rule = rescale or model.config.rescale
    check_rule(rule)
    known = given_embeddings(gallery, model.dimension)
    latents, ids = fmri_latents(model, responses, running)
    if known is None:
        how = {"device": running.device, "dtype": running.dtype, "batch_size": batch_size}
        found = embed(model, gallery, progress=running.progress, **how)
        known = Gallery(found.embeddings, np.asarray(found.ids, str))
    head = model.retrieval_head
    if head is not None:
        return nearest(head.queries(latents), head.members(known.embeddings), ids, known.ids, k)
    # what all images have in common tells none from another
    mean = model.decoding_map.target.mean
    queries = _embeddings_of(model, latents, rule) - mean
    return nearest(queries, known.embeddings - mean, ids, known.ids, k)


def decode(
    model: AlignedEncoder,
    responses: Any,
    running: Running,
    *,
    n_samples: int,
    seed: int,
    rescale: str | None,
    stimuli: Sequence[int] | None,
    batch_size: int | str,
) -> StimulusSet:
    """Images of what was seen; see `LEA.decode`."""
    check_whole_number("n_samples", n_samples, 1)
    check_whole_number("seed", seed, 0)
    if batch_size != "auto":
        check_whole_number("batch_size", batch_size, 1)
    (embeddings, ids), generate = _conditions(model, responses, rescale, running)
    numbers = range(len(embeddings)) if stimuli is None else stimuli
    if len(numbers) != len(embeddings):
        raise InputValueError(f"stimuli must be one number for each of {len(embeddings)} patterns, got {len(numbers)}")
    step = len(embeddings) if batch_size == "auto" else int(batch_size)
    if running.one_network_at_a_time:
        model.release()
    blocks = []
    for begin in range(0, len(embeddings), step):
        part = embeddings[begin : begin + step]
        blocks.append(
            generate(
                part,
                n_samples=n_samples,
                seed=seed,
                stimuli=numbers[begin : begin + len(part)],
                device=running.device,
                dtype=running.dtype,
                one_network_at_a_time=running.one_network_at_a_time,
                progress=running.progress,
            )
        )
    images = np.concatenate(blocks)  # (stimuli, samples, height, width, 3)
    return StimulusSet.from_array(images.reshape(-1, *images.shape[2:]), ids=sample_ids(ids, n_samples))


def _conditions(
    model: AlignedEncoder, responses: Any, rescale: str | None, running: Running
) -> tuple[Predicted, Callable[..., NDArray[np.uint8]]]:
    """What images are made of, a row for each stimulus, and what makes them: of embeddings, or of latents."""
    if model.inversion is None:
        return predict_embeddings(model, responses, rescale, running), model.generator.generate
    return fmri_latents(model, responses, running), partial(explain, model)


def labelled(predicted: Predicted) -> xr.DataArray:
    """Rows with the ids of their stimuli."""
    return xr.DataArray(predicted.embeddings, {"stimulus": predicted.ids}, ("stimulus", "feature"))


def sample_ids(ids: NDArray[Any], n_samples: int) -> list[str]:
    """Names of decoded images: the stimulus alone, or with the number of the sample.

    Examples
    --------
    >>> sample_ids(np.array(["a"]), 1), sample_ids(np.array(["a"]), 2)
    (['a'], ['a-sample-1', 'a-sample-2'])
    """
    if n_samples == 1:
        return [str(name) for name in ids]
    return [f"{name}-sample-{number}" for name in ids for number in range(1, n_samples + 1)]
