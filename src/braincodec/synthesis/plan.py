"""What a synthesis will do: which models run together, over which blocks of stimuli, into which arrays.

The plan is made once, written beside the responses, and followed by every run that works on them. What decides the
values (models, stimuli, tile, threads, precision) and the layout is in it; how many workers there are is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from braincodec.config import Config

FORMAT = 1  # of plans and records; read only by versions that know it
StoredDtype = Literal["float32", "float16"]
Layout = Literal["default", "fast"]


class Request(Config):
    """What was asked for, with every default filled in: equal requests have equal plans.

    Parameters
    ----------
    models : tuple of str
        Identifiers in the store of models, sorted.
    subjects, rois : tuple or None
        None takes all that a model has.
    skip_missing : bool
        Leave out subjects that lack a region, in place of refusing.
    stimuli : str
        Name of the stimulus set in the store.
    ids : str
        SHA-256 of the stimulus ids in their order.
    fingerprint : str
        `StimulusSet.fingerprint`: sizes and times of the files; contents are compared where it changed.
    tile, block : int or None
        Images in one forward pass, stimuli in one unit of work; None lets the planner choose.
    threads : int
        Of the processor, for each worker.
    on_bad : {"mark", "raise"}
        Changes no response, so it is not part of the hash.
    """

    NOT_HASHED: ClassVar[set[str]] = {"on_bad"}

    models: tuple[str, ...]
    subjects: tuple[int | str, ...] | None = None
    rois: tuple[str, ...] | None = None
    skip_missing: bool = False
    stimuli: str
    count: int
    ids: str = ""
    fingerprint: str
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    threads: int = 1
    stored_dtype: StoredDtype = "float32"
    layout: Layout = "default"
    on_bad: Literal["mark", "raise"] = "mark"
    tile: int | None = None
    block: int | None = None

    def hash(self) -> str:
        """SHA-256 of everything that decides the responses."""
        return _Hashed(content=self.model_dump(mode="json", exclude=self.NOT_HASHED)).hash()


class Output(Config):
    """The generated responses of one model and subject, all regions or one: one Zarr group.

    Parameters
    ----------
    model, subject, roi
        `roi` is None where the array holds all units of a model.
    place : str
        Name of the group below the store.
    dims, shape : tuple
        Of the response to one stimulus.
    identity : str
        `Encoder.identity`: SHA-256 of settings and weights.
    """

    model: str
    subject: int | str
    roi: str | None = None
    place: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    identity: str

    @property
    def values(self) -> int:
        """Numbers in the response to one stimulus."""
        return math.prod(self.shape)


class Pass(Config):
    """Outputs that are computed together: images are read once for all of them.

    Parameters
    ----------
    name : str
        Plain, unique in the plan, in order: ``"000-fmri-nsd-fwrf"``.
    outputs : tuple of Output
    shared : {"features", "images", "nothing"}
        What the outputs have in common: a network's activations, decoded and resized images, or nothing.
    tile : int
        Images in one forward pass; the last one is padded, so that every image is computed in company of the same size.
    block : int
        Stimuli in one unit of work, a multiple of `tile`; also the stimuli in one shard of each array.
    weight_bytes, image_bytes : int
        Memory of all its models, and of one image on its way through them.
    """

    name: str
    outputs: tuple[Output, ...]
    shared: Literal["features", "images", "nothing"]
    tile: int
    block: int
    weight_bytes: int
    image_bytes: int

    @property
    def values(self) -> int:
        """Numbers in all responses to one stimulus."""
        return sum(output.values for output in self.outputs)


@dataclass(frozen=True)
class Block:
    """One unit of work: a pass over consecutive stimuli, which are written whole or not at all.

    Parameters
    ----------
    pass_number, number : int
        Which pass of the plan, and which of its blocks.
    begin, end : int
        Stimuli by position, `end` excluded.
    """

    pass_number: int
    number: int
    begin: int
    end: int

    def __len__(self) -> int:
        return self.end - self.begin


class Plan(Config):
    """A whole synthesis.

    Parameters
    ----------
    format : int
    request : Request
    passes : tuple of Pass
    version : str
        Of the package that made the plan; not part of its hash.
    models_address : str
        Where the models were found; not part of its hash.
    left_out : tuple of str
        Words on what `skip_missing` left out.
    """

    NOT_HASHED: ClassVar[set[str]] = {"version", "models_address"}

    format: int = FORMAT
    request: Request
    passes: tuple[Pass, ...]
    version: str
    models_address: str
    left_out: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """All arrays, in order."""
        return tuple(output for one in self.passes for output in one.outputs)

    def blocks(self) -> Iterator[Block]:
        """Every unit of work, pass after pass."""
        for pass_number, one in enumerate(self.passes):
            for number, begin in enumerate(range(0, self.request.count, one.block)):
                yield Block(pass_number, number, begin, min(begin + one.block, self.request.count))

    def block(self, pass_number: int, number: int) -> Block:
        """One unit of work."""
        size = self.passes[pass_number].block
        return Block(pass_number, number, number * size, min((number + 1) * size, self.request.count))

    @property
    def itemsize(self) -> int:
        """Bytes of a stored number."""
        return {"float32": 4, "float16": 2}[self.request.stored_dtype]

    @property
    def stored_bytes(self) -> int:
        """Bytes of all responses before compression."""
        return self.request.count * sum(one.values for one in self.passes) * self.itemsize

    def hash(self) -> str:
        """SHA-256 of everything that decides values and layout."""
        content = self.model_dump(mode="json", exclude=self.NOT_HASHED)
        content["request"] = self.request.model_dump(mode="json", exclude=self.request.NOT_HASHED)
        return _Hashed(content=content).hash()


class _Hashed(Config):
    content: dict[str, Any]
