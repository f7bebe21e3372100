"""Responses to one block of stimuli, with bits that depend on the plan and the kind of machine alone."""

from __future__ import annotations

import contextlib
import gc
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from braincodec import device as devices
from braincodec.errors import InputValueError
from braincodec.models.sharing import preprocess
from braincodec.stimuli import Batch, StimulusSet
from braincodec.stimuli.batch import Transform
from braincodec.store.base import Store
from braincodec.store.open import open_store
from braincodec.synthesis.computing.computed import BlockParts, Computed
from braincodec.synthesis.computing.digests import with_digests
from braincodec.synthesis.computing.machine import this_machine
from braincodec.synthesis.computing.members import LoadedPass, load_pass

if TYPE_CHECKING:
    import torch

    from braincodec.synthesis.plan import Block, Plan

__all__ = ["BlockComputer", "Computed"]

SHARE_OF_FREE_MEMORY = 0.25  # for models that are kept after their blocks are done


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
        self._networks = threading.Lock()  # whoever loads or computes holds it: torch's settings are the process's

    def load(self, pass_number: int) -> LoadedPass:
        """The models of a pass; those of the passes that were used longest ago go when memory is short.

        Raises
        ------
        InputValueError
            When a model is not the one that the plan was made for.
        """
        with self._networks, self._as_planned():
            return self._loaded(pass_number)

    def _loaded(self, pass_number: int) -> LoadedPass:
        if pass_number not in self._kept:
            one = self.plan.passes[pass_number]
            while self._kept and sum(p.weight_bytes for p in self._kept.values()) + one.weight_bytes > self._budget:
                self._kept.popitem(last=False)
                gc.collect()
            dtype = devices.resolve_dtype(self.plan.request.dtype)
            self._kept[pass_number] = load_pass(self._store, one, self.device, dtype)
        self._kept.move_to_end(pass_number)
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

        loaded = self._kept.get(block.pass_number) or self.load(block.pass_number)
        parts, begin = BlockParts(self.plan, block), time.perf_counter()
        with self._reading(loaded, block) as batches:
            first = next(batches)  # from here on, images are decoded while other blocks are computed
            asked = time.perf_counter()
            with self._networks, self._as_planned(), torch.inference_mode():
                begin += time.perf_counter() - asked
                for batch in itertools.chain([first], batches):
                    self._compute_tile(loaded, parts, batch)
        return parts.finished(time.perf_counter() - begin, this_machine(self.device, self.threads))

    @contextlib.contextmanager
    def _reading(self, loaded: LoadedPass, block: Block) -> Iterator[Iterator[Batch]]:
        """Stimuli in tiles, in each preprocessing and with their digests, read ahead in threads."""
        tile = self.plan.passes[block.pass_number].tile
        with ThreadPoolExecutor(1, thread_name_prefix="braincodec-digest") as thread:
            transform = with_digests(_of_one_size(preprocess(loaded.preprocessings)), thread)
            reading = self.stimuli[block.begin : block.end].batches(tile, transform=transform, on_bad="skip")
            # closed here: an error's traceback would keep the generator, and its threads, alive
            with contextlib.closing(cast("Generator[Batch, None, None]", reading)) as batches:
                yield batches

    @property
    def threads(self) -> int:
        """Of the processor, as planned."""
        return self.plan.request.threads

    def _compute_tile(self, loaded: LoadedPass, parts: BlockParts, batch: Batch) -> None:
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
        for number in [number for number, one in self._kept.items() if one is not but]:
            del self._kept[number]
        devices.release_cached_memory()

    @contextlib.contextmanager
    def _as_planned(self) -> Iterator[None]:
        """Threads and arithmetic as the plan has them, in this thread and while it holds the networks."""
        import torch
        from threadpoolctl import threadpool_limits

        cudnn = torch.backends.cudnn
        before, algorithms = torch.get_num_threads(), (cudnn.deterministic, cudnn.benchmark)
        torch.set_num_threads(self.threads)
        cudnn.deterministic, cudnn.benchmark = True, False
        try:
            with threadpool_limits(self.threads, user_api="blas"), devices.fast_matmul(self.device):
                yield
        finally:
            torch.set_num_threads(before)
            cudnn.deterministic, cudnn.benchmark = algorithms


def _of_one_size(transform: Transform) -> Transform:
    """The transform, which refuses images that it brings to different sizes."""
    known: list[tuple[int, ...]] = []

    def checked(images: NDArray[np.uint8]) -> tuple[torch.Tensor, ...]:
        parts: tuple[torch.Tensor, ...] = transform(images)
        for number, part in enumerate(parts):
            size = tuple(part.shape[2:])
            if len(known) == number:
                known.append(size)
            if size != known[number]:
                raise InputValueError(
                    f"a model would see one image with {_pixels(known[number])} and another with {_pixels(size)}, for "
                    "its preprocessing brings them to no size of its own: resize the images first"
                )
        return parts

    return checked


def _pixels(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size)) + " pixels"


def _in_place(images: torch.Tensor, places: NDArray[np.int64], tile: int) -> torch.Tensor:
    """Images at their places in a whole tile, (tile, 3, height, width); other places are blank."""
    import torch

    if len(places) == tile:
        return images
    whole = torch.zeros(tile, *images.shape[1:], dtype=images.dtype)
    whole[torch.from_numpy(places)] = images
    return whole
