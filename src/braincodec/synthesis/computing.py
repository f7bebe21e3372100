"""Responses to one block of stimuli, with bits that depend on the plan and the kind of machine alone."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from braincodec import device as devices
from braincodec.errors import DamagedFileError, InputValueError
from braincodec.models.sharing import preprocess
from braincodec.stimuli import BadStimulus, Batch, StimulusSet
from braincodec.store.base import Store
from braincodec.store.open import open_store
from braincodec.synthesis.digests import UNREADABLE, put_digests, with_digests
from braincodec.synthesis.machine import Machine, this_machine
from braincodec.synthesis.members import LoadedPass, load_pass, named
from braincodec.synthesis.rounding import Rounding, to_float16

if TYPE_CHECKING:
    import torch

    from braincodec.synthesis.plan import Block, Plan

SHARE_OF_FREE_MEMORY = 0.25  # for models that are kept after their blocks are done
# a whole block that cannot be read is a disk that is gone, where it has so many stimuli
LEAST_LOST = 8


@dataclass
class Computed:
    """What one block gave.

    Parameters
    ----------
    values : list of array, each (stimuli, *shape)
        One an output of the pass, in the stored dtype; rows of NaN for stimuli that cannot be read.
    digests : list of str
        Of each stimulus.
    bad : list of BadStimulus
        Those that cannot be read, by their position in the whole set.
    rounding : list of (Rounding or None)
        One an output; None where float32 is stored.
    seconds : float
        That reading and computing took, without waiting for other blocks.
    machine : Machine
    """

    values: list[NDArray[Any]]
    digests: list[str]
    bad: list[BadStimulus]
    rounding: list[Rounding | None]
    seconds: float
    machine: Machine


class BlockComputer:
    """Computes blocks of a plan, with the models of a pass loaded once.

    Bits do not depend on which block is computed, when, or beside what: every forward pass has the plan's tile and
    threads, an image's place in its tile is fixed, and what is missing in a tile is blank. Several threads may call
    `compute`; networks run for one of them at a time, while images are decoded for the next.

    Parameters
    ----------
    models : Store, or (str, dict)
        The store of models, or its address and the options to open it with.
    plan : Plan
    stimuli : StimulusSet
        The one that the plan was made for.
    device : str, optional
        One of the plan's kind, such as ``"cuda:1"``.
    budget : int, optional
        Bytes of models that are kept beside those in use. Default: a quarter of the free memory.

    Raises
    ------
    InputValueError
        When the device or the number of stimuli is not the plan's.
    """

    def __init__(
        self,
        models: Store | tuple[str, dict[str, Any]],
        plan: Plan,
        stimuli: StimulusSet,
        *,
        device: str | None = None,
        budget: int | None = None,
    ) -> None:
        self._store = models if isinstance(models, Store) else open_store(models[0], **models[1])
        self.plan, self.stimuli = plan, stimuli
        self.device = devices.resolve_device(device or plan.request.device)
        if self.device.type != plan.request.device:
            raise InputValueError(
                f"the plan computes on {plan.request.device}, not on {self.device}: responses would differ in last bits"
            )
        if len(stimuli) != plan.request.count:
            raise InputValueError(f"the plan is for {plan.request.count:,} stimuli, not for {len(stimuli):,}")
        devices.keep_freed_memory()
        free = devices.free_memory(self.device)
        self._budget = int(free * SHARE_OF_FREE_MEMORY) if budget is None else budget
        self._kept: OrderedDict[int, LoadedPass] = OrderedDict()
        self._loading = threading.Lock()
        self._networks = threading.Lock()

    def load(self, pass_number: int) -> LoadedPass:
        """The models of a pass; those of the passes that were used longest ago go when memory is short.

        Raises
        ------
        InputValueError
            When a model is not the one that the plan was made for.
        """
        with self._loading:
            if pass_number in self._kept:
                self._kept.move_to_end(pass_number)
                return self._kept[pass_number]
            one = self.plan.passes[pass_number]
            while self._kept and sum(p.weight_bytes for p in self._kept.values()) + one.weight_bytes > self._budget:
                self._kept.popitem(last=False)
                gc.collect()
            dtype = devices.resolve_dtype(self.plan.request.dtype)
            self._kept[pass_number] = load_pass(self._store, one, self.device, dtype)
            return self._kept[pass_number]

    def compute(self, block: Block) -> Computed:
        """Responses of all outputs of a pass to the stimuli of a block.

        Raises
        ------
        DamagedFileError
            Naming a stimulus that cannot be read, where the plan does not mark such; or when none of many can be.
        InputValueError
            When a model is another one than planned, memory runs out, or responses are too large for float16.
        """
        import torch

        begin, waited = time.perf_counter(), 0.0
        loaded, tile = self.load(block.pass_number), self.plan.passes[block.pass_number].tile
        parts = _BlockParts(self.plan, block)
        transform = with_digests(preprocess(loaded.preprocessings))
        reading = self.stimuli[block.begin : block.end].batches(tile, transform=transform, on_bad="skip")
        # closed here: an error's traceback would keep the generator, and its decoding threads, alive
        with contextlib.closing(cast("Generator[Batch, None, None]", reading)) as batches:
            first = next(batches)  # from here on, images are decoded while other blocks are computed
            asked = time.perf_counter()
            with self._networks:
                waited = time.perf_counter() - asked
                with self._as_planned(), torch.inference_mode():
                    for batch in itertools.chain([first], batches):
                        self._compute_tile(loaded, parts, batch)
        return parts.finished(time.perf_counter() - begin - waited, this_machine(self.device, self.threads))

    @property
    def threads(self) -> int:
        """Of the processor, as planned."""
        return self.plan.request.threads

    def _compute_tile(self, loaded: LoadedPass, parts: _BlockParts, batch: Batch) -> None:
        parts.note(batch)
        if not len(batch):
            return
        dtype = devices.resolve_dtype(self.plan.request.dtype)
        tile = self.plan.passes[parts.block.pass_number].tile
        places = batch.positions % tile
        images = [_in_place(part, places, tile).to(self.device, dtype, non_blocking=True) for part in batch.images[:-1]]
        for output, values in self._predict(loaded, images):
            parts.put(output, batch.positions, values if len(places) == tile else values[places])

    def _predict(self, loaded: LoadedPass, images: list[torch.Tensor]) -> list[tuple[int, NDArray[np.float32]]]:
        try:
            return loaded.predict(images)
        except (MemoryError, RuntimeError) as error:
            if not devices.is_out_of_memory(error):
                raise
        # only here: while it is handled, the error's traceback holds what the failed call had allocated
        self._let_go(loaded)
        try:
            return loaded.predict(images)
        except (MemoryError, RuntimeError) as error:
            if not devices.is_out_of_memory(error):
                raise
            raise InputValueError(
                f"memory ran out with {len(images[0])} images in one forward pass on {self.device}: use fewer workers "
                "a machine, or plan anew with a smaller tile (tile=, --tile)"
            ) from error

    def _let_go(self, but: LoadedPass) -> None:
        """Give up all models but those in use."""
        with self._loading:
            self._kept = OrderedDict((number, one) for number, one in self._kept.items() if one is but)
        devices.release_cached_memory()

    @contextlib.contextmanager
    def _as_planned(self) -> Iterator[None]:
        """Threads and arithmetic as the plan has them, in this thread and while it holds the networks."""
        import torch
        from threadpoolctl import threadpool_limits

        before, deterministic = torch.get_num_threads(), torch.backends.cudnn.deterministic
        torch.set_num_threads(self.threads)
        torch.backends.cudnn.deterministic = True
        try:
            with threadpool_limits(self.threads, user_api="blas"), devices.fast_matmul(self.device):
                yield
        finally:
            torch.set_num_threads(before)
            torch.backends.cudnn.deterministic = deterministic


def _in_place(images: torch.Tensor, places: NDArray[np.int64], tile: int) -> torch.Tensor:
    """Images at their places in a whole tile, (tile, 3, height, width); other places are blank."""
    import torch

    if len(places) == tile:
        return images
    whole = torch.zeros(tile, *images.shape[1:], dtype=images.dtype)
    whole[torch.from_numpy(places)] = images
    return whole


class _BlockParts:
    """The parts of a block's result, as they come in tile after tile."""

    def __init__(self, plan: Plan, block: Block) -> None:
        self.plan, self.block = plan, block
        self.outputs = plan.passes[block.pass_number].outputs
        dtype = plan.request.stored_dtype
        self.values = [np.empty((len(block), *output.shape), dtype) for output in self.outputs]
        self.rounding: list[list[Rounding]] = [[] for _ in self.outputs]
        self.digests = [UNREADABLE] * len(block)
        self.bad: list[BadStimulus] = []

    def note(self, batch: Batch) -> None:
        """Digests, and stimuli that cannot be read."""
        put_digests(self.digests, batch)
        for one in batch.bad:
            found = dataclasses.replace(one, position=self.block.begin + one.position)
            if self.plan.request.on_bad == "raise":
                raise DamagedFileError(
                    f"stimulus {found.id!r} ({found.position + 1:,} of {self.plan.request.count:,}): {found.reason}; "
                    "on_bad='mark' (--on-bad mark) writes NaN in its place and lists it"
                )
            self.bad.append(found)
            for values in self.values:
                values[one.position] = np.nan

    def put(self, output: int, positions: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Responses (stimuli, *shape) of one output, at positions in the block."""
        target = self.values[output]
        rows = slice(int(positions[0]), int(positions[-1]) + 1)
        where = rows if rows.stop - rows.start == len(positions) else positions
        if target.dtype == np.float16:
            rounded = np.empty(values.shape, np.float16)
            self.rounding[output].append(to_float16(values, rounded, named(self.outputs[output])))
            target[where] = rounded
        else:
            target[where] = values

    def finished(self, seconds: float, machine: Machine) -> Computed:
        """All parts together."""
        if len(self.bad) == len(self.block) >= LEAST_LOST:
            raise DamagedFileError(
                f"none of {len(self.bad):,} stimuli from {self.bad[0].id!r} on can be read; the first: "
                f"{self.bad[0].reason}; is the place where they lie still there?"
            )
        rounding = [
            Rounding.merged(parts) if values.dtype == np.float16 else None
            for parts, values in zip(self.rounding, self.values, strict=True)
        ]
        return Computed(self.values, self.digests, self.bad, rounding, seconds, machine)
