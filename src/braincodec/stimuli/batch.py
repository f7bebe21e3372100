"""Batches of images: what one is, and how it is put together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from braincodec.errors import DamagedFileError, InputTypeError, InputValueError
from braincodec.stimuli.checks import NotFiniteError
from braincodec.stimuli.prefetch import decoding_threads, map_ahead
from braincodec.stimuli.sources import ArraySource, EncodedSource, Source

PIECE_BYTES = 64 * 2**20  # of images that wait for one call of the transform
BAD_IMAGE = (DamagedFileError, NotFiniteError)
Transform = Callable[[np.ndarray], Any]
Check = Callable[[], None]


@dataclass(frozen=True)
class BadStimulus:
    """A stimulus that could not be read, and why.

    Parameters
    ----------
    position : int
        In the stimulus set, from 0.
    id : str
    reason : str
    """

    position: int
    id: str
    reason: str


@dataclass
class Batch:
    """Some consecutive stimuli of a set.

    Parameters
    ----------
    positions : array of int64, shape (n,)
        In the stimulus set, from 0; those of `bad` are missing.
    ids : array of str, shape (n,)
    images : array of uint8, shape (n, height, width, 3), or what the transform makes of it
        None when no stimulus of the batch could be read.
    bad : list of BadStimulus
    """

    positions: np.ndarray
    ids: np.ndarray
    images: Any
    bad: list[BadStimulus] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def next_position(self) -> int:
        """Where the next batch begins."""
        last = [int(self.positions[-1])] if len(self.positions) else []
        return max(last + [bad.position for bad in self.bad]) + 1


@dataclass(frozen=True)
class Plan:
    """What is to be read: `places` are the positions in the source of the stimuli called `ids`."""

    source: Source
    places: np.ndarray
    ids: np.ndarray
    skip_bad: bool

    def error(self, position: int, error: Exception) -> Exception:
        """The error of a stimulus that cannot be read, with its name and a way out."""
        way_out = "on_bad='skip' (--skip-bad) leaves such images out and lists them"
        name = f"stimulus {str(self.ids[position])!r} ({position + 1:,} of {len(self.ids):,})"
        return type(error)(f"{name}: {error}; {way_out}")

    def bad(self, position: int, error: Exception) -> BadStimulus:
        """Raise the error, or note it when bad stimuli are to be skipped."""
        if not self.skip_bad:
            raise self.error(position, error) from None
        return BadStimulus(position, str(self.ids[position]), str(error))


# positions of some images of one size, with the images; or a stimulus that could not be read
Piece = tuple[np.ndarray, np.ndarray] | BadStimulus


def make_batches(
    plan: Plan, batch_size: int, start: int, transform: Transform | None, check: Check, *, ahead: bool
) -> Iterator[Batch]:
    """Read the planned stimuli batch by batch.

    Parameters
    ----------
    plan : Plan
    batch_size, start : int
    transform : function, optional
    check : function
        Called between images; raises when nobody waits for them any more.
    ahead : bool
        Whether images may be decoded in threads of their own.
    """
    count = len(plan.ids)
    spans = [np.arange(first, min(first + batch_size, count)) for first in range(start, count, batch_size)]
    if isinstance(plan.source, ArraySource):
        for span in spans:
            yield _assemble(plan, _array_pieces(plan, plan.source, span, transform, check), transform)
        return
    assert isinstance(plan.source, EncodedSource)
    # closed here, because the traceback of an error would keep it, and its threads, alive
    with contextlib.closing(_decode_all(plan, plan.source, start, check, ahead=ahead)) as decoded:
        for span in spans:
            yield _assemble(plan, _encoded_pieces(plan, decoded, span, transform), transform)


def _array_pieces(
    plan: Plan, source: ArraySource, span: np.ndarray, transform: Transform | None, check: Check
) -> Iterator[Piece]:
    height, width = source.image_size
    fitting = max(1, PIECE_BYTES // max(source.image_bytes, height * width * 3))
    step = fitting if transform is not None else len(span)
    for first in range(0, len(span), step):
        check()
        positions = span[first : first + step]
        try:
            yield positions, source.read(plan.places[positions], plan.ids[positions])
        except BAD_IMAGE as error:
            if not plan.skip_bad:
                raise
            if len(positions) == 1:
                yield plan.bad(int(positions[0]), error)
            else:
                yield from _one_by_one(plan, source, positions)


def _one_by_one(plan: Plan, source: ArraySource, positions: np.ndarray) -> Iterator[Piece]:
    for position in positions:
        only = slice(position, position + 1)
        try:
            yield np.array([position]), source.read(plan.places[only], plan.ids[only])
        except BAD_IMAGE as error:
            yield plan.bad(int(position), error)


def _decode_all(
    plan: Plan, source: EncodedSource, start: int, check: Check, *, ahead: bool
) -> Generator[np.ndarray | DamagedFileError, None, None]:
    """Images from `start` on, in order, each decoded shortly before it is taken."""

    def decode(place: int) -> np.ndarray | DamagedFileError:
        try:
            return source.read(place)
        except DamagedFileError as error:
            return error

    places = (int(place) for place in plan.places[start:])
    yield from map_ahead(decode, places, decoding_threads(), check) if ahead else map(decode, places)


def _encoded_pieces(
    plan: Plan, decoded: Iterator[np.ndarray | DamagedFileError], span: np.ndarray, transform: Transform | None
) -> Iterator[Piece]:
    """Group images of the same size; a piece ends early where it would take too much memory."""
    positions: list[int] = []
    images: list[np.ndarray] = []
    for position in span:
        image = next(decoded)
        if isinstance(image, DamagedFileError):
            yield plan.bad(int(position), image)
            continue
        full = transform is not None and (len(images) + 1) * image.nbytes > PIECE_BYTES
        if images and (full or image.shape != images[0].shape):
            yield np.array(positions), _stack(images)
            positions, images = [], []
        positions.append(int(position))
        images.append(image)
    if images:
        yield np.array(positions), _stack(images)


def _stack(images: list[np.ndarray]) -> np.ndarray:
    return images[0][None] if len(images) == 1 else np.stack(images)


def _assemble(plan: Plan, pieces: Iterator[Piece], transform: Transform | None) -> Batch:
    positions: list[np.ndarray] = []
    outputs: list[Any] = []
    bad: list[BadStimulus] = []
    for piece in pieces:
        if isinstance(piece, BadStimulus):
            bad.append(piece)
            continue
        where, images = piece
        if transform is not None:
            output = transform(images)
            _check_output(output, len(where))
        else:
            output = images
            _check_same_size(plan, positions, outputs, where, images)
        positions.append(where)
        outputs.append(output)
        del piece, images  # the decoded images are not needed beside what the transform made of them
    kept = np.concatenate(positions) if positions else np.empty(0, np.int64)
    return Batch(kept.astype(np.int64, copy=False), plan.ids[kept], _concatenate(outputs), bad)


def _check_same_size(
    plan: Plan, positions: list[np.ndarray], outputs: list[np.ndarray], where: np.ndarray, images: np.ndarray
) -> None:
    if outputs and outputs[0].shape[1:] != images.shape[1:]:
        (height, width), (other_height, other_width) = outputs[0].shape[1:3], images.shape[1:3]
        raise InputValueError(
            f"images of one batch differ in size: {str(plan.ids[positions[0][0]])!r} has {height} x {width} pixels, "
            f"{str(plan.ids[where[0]])!r} has {other_height} x {other_width}; "
            "give a transform that resizes them, or batch_size=1"
        )


def _check_output(output: Any, count: int) -> None:
    for part in output if isinstance(output, tuple) else (output,):
        shape = getattr(part, "shape", None)
        if shape is None:
            raise InputTypeError(f"the transform gave a {type(part).__name__}; expected a tensor or a tuple of tensors")
        if len(shape) == 0 or shape[0] != count:
            raise InputValueError(
                f"the transform gave shape {tuple(shape)} for {count} images; "
                "expected one row for each image, and no change of their number"
            )


def _concatenate(outputs: list[Any]) -> Any:
    if len(outputs) < 2:
        return outputs[0] if outputs else None
    if isinstance(outputs[0], tuple):
        return tuple(_concatenate(list(parts)) for parts in zip(*outputs, strict=True))
    if isinstance(outputs[0], np.ndarray):
        return np.concatenate(outputs)
    import torch

    return torch.cat(outputs)
