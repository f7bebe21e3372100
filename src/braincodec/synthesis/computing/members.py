"""The models of a pass, as they run: loaded once, checked against the plan, with what they share held once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.models.sharing import distinct_preprocessings, predict_each
from braincodec.store.base import select_rois

if TYPE_CHECKING:
    import torch

    from braincodec.features.preprocessing import Preprocessing
    from braincodec.models.base import Encoder
    from braincodec.store.base import Store
    from braincodec.synthesis.plan import Output, Pass


@dataclass(frozen=True)
class Member:
    """One model of a pass and the arrays that it fills.

    Parameters
    ----------
    encoder : Encoder
        Cut to the regions that the pass wants of it.
    outputs : tuple of int
        Positions in the pass.
    columns : tuple of (array of int64 or None)
        Which of the encoder's units each output takes; None takes all.
    """

    encoder: Encoder
    outputs: tuple[int, ...]
    columns: tuple[NDArray[np.int64] | None, ...]


@dataclass(frozen=True)
class LoadedPass:
    """All models of a pass, ready to predict."""

    members: tuple[Member, ...]
    preprocessings: tuple[Preprocessing, ...]
    weight_bytes: int

    def predict(self, images: Sequence[torch.Tensor]) -> list[tuple[int, NDArray[np.float32]]]:
        """Position in the pass and responses (tile, *shape) of each output, to images in each preprocessing."""
        by_preprocessing = dict(zip(self.preprocessings, images, strict=True))
        responses = predict_each([member.encoder for member in self.members], by_preprocessing)
        given = []
        for member, found in zip(self.members, responses, strict=True):
            values = found.float().cpu().numpy()
            for output, columns in zip(member.outputs, member.columns, strict=True):
                given.append((output, values if columns is None else values[:, columns]))
        return given


def load_pass(store: Store, one: Pass, device: torch.device, dtype: torch.dtype) -> LoadedPass:
    """Load the models of a pass and make them ready.

    Parameters
    ----------
    store : Store
        Where they are.
    one : Pass
    device, dtype
        Where and in which precision they compute.

    Raises
    ------
    InputValueError
        When a model is another one than the plan was made for.
    """
    import torch

    members = []
    leaders: dict[str, Encoder] = {}
    for numbers in _by_model(store, one.outputs):
        member = _load(store, one.outputs, numbers)
        key = member.encoder.shared_key()
        member.encoder.hold_weights(leaders.get(key) if key is not None else None)
        if key is not None:
            leaders.setdefault(key, member.encoder)
        members.append(member)
    with torch.inference_mode():
        for member in members:
            member.encoder.prepare(device, dtype)
    preprocessings = distinct_preprocessings([member.encoder for member in members])
    return LoadedPass(tuple(members), preprocessings, one.weight_bytes)


def _by_model(store: Store, outputs: Sequence[Output]) -> list[list[int]]:
    """Positions of the outputs that one loaded model fills."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, output in enumerate(outputs):
        of_its_own = store.entry(output.model).one_model_a_roi
        groups.setdefault((output.model, output.subject, output.roi if of_its_own else None), []).append(number)
    return list(groups.values())


def _load(store: Store, outputs: Sequence[Output], numbers: Sequence[int]) -> Member:
    wanted = [outputs[number] for number in numbers]
    first = wanted[0]
    entry = store.entry(first.model)
    encoder = store.encoder(first.model, first.subject, first.roi if entry.one_model_a_roi else None)
    identity = encoder.identity()
    columns: list[NDArray[np.int64] | None] = [None] * len(wanted)
    if not entry.one_model_a_roi and any(output.roi is not None for output in wanted):
        encoder, columns = _cut(encoder, wanted)
    for output, chosen in zip(wanted, columns, strict=True):
        shape = encoder.response_shape if chosen is None else (len(chosen),)
        if identity != output.identity or shape != output.shape:
            raise InputValueError(
                f"{named(output)} in {store.address} is another model than the one that this synthesis was begun "
                "with: put that one back, or begin anew with overwrite=True (--overwrite)"
            )
    return Member(encoder, tuple(numbers), tuple(columns))


def _cut(encoder: Encoder, wanted: Sequence[Output]) -> tuple[Encoder, list[NDArray[np.int64] | None]]:
    """The encoder of all regions that are wanted, and which of its units each output takes."""
    if any(output.roi is None for output in wanted):
        smaller, kept = encoder, np.arange(encoder.response_shape[0])
    else:
        smaller = select_rois(encoder, [output.roi for output in wanted if output.roi is not None])
        rois = list(dict.fromkeys(output.roi for output in wanted))
        kept = np.flatnonzero(encoder.units["roi_membership"].sel(roi=rois).any("roi").values)
    columns: list[NDArray[np.int64] | None] = []
    for output in wanted:
        if output.roi is None:
            columns.append(None)
            continue
        own = np.flatnonzero(encoder.units["roi_membership"].sel(roi=output.roi).values)
        places = np.searchsorted(kept, own)
        columns.append(None if len(places) == len(kept) else places)
    return smaller, columns


def named(output: Output) -> str:
    """What messages call it."""
    return f"{output.model} subject {output.subject}" + (f", {output.roi}" if output.roi is not None else "")
