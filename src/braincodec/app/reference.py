"""How strongly other images drive each region, so that one response can be judged."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from braincodec.app.failures import told
from braincodec.app.gallery import Pictures, Source, blocks, encode_gallery, gallery_file
from braincodec.app.neighbours import Neighbours
from braincodec.app.predicting import QUANTILES, ReferenceNote, RoiBar
from braincodec.errors import InputValueError
from braincodec.responses import open_responses

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.app.loaded import Facts, LoadedModel
    from braincodec.app.regions import Regions

WAIT_FOR_ANOTHER = 0.05  # seconds
log = logging.getLogger(__name__)


class Reference:
    """Responses of one subject's model to the images of a gallery, made ready a step at a time.

    Parameters
    ----------
    regions : Regions
        Of the model's responses.
    room : callable
        Gives bytes: responses that take less are held in memory, where neighbours are found fastest; others are read
        in blocks.

    Notes
    -----
    `steps` is run by the model's thread; everything else by any.
    """

    def __init__(self, regions: Regions, room: Callable[[], int]) -> None:
        self.regions = regions
        self.neighbours: Neighbours | None = None
        self.pictures: Pictures | None = None
        self._room = room
        self._levels: NDArray[np.float64] | None = None  # (images, regions), each column sorted
        self._note = ReferenceNote("the images to compare with are being looked for")
        self._running = threading.Lock()

    @property
    def note(self) -> ReferenceNote:
        """What the images are and how many have been encoded."""
        return self._note

    @property
    def nbytes(self) -> int:
        """Of the responses that are held."""
        return 0 if self.neighbours is None else self.neighbours.nbytes

    @property
    def ready(self) -> bool:
        """Whether bars and neighbours can be had."""
        return self._note.ready

    def steps(self, model: LoadedModel, find: Callable[[], Source]) -> Iterator[None]:
        """Make ready; several calls one after another do it once.

        Parameters
        ----------
        model : LoadedModel
        find : callable
            Gives the source.
        """
        while not self._running.acquire(blocking=False):
            time.sleep(WAIT_FOR_ANOTHER)
            yield
        try:
            if not self.ready:
                yield from self._make_ready(model, find())
        except Exception as error:  # noqa: BLE001  the page goes on without a reference, and says why
            problem = told(error, "the images to compare with")
            self._note = ReferenceNote(f"no images to compare with: {problem}", final=True)
            log.warning("no reference: %s", problem)
        finally:
            self._running.release()

    def _make_ready(self, model: LoadedModel, source: Source) -> Iterator[None]:
        count = len(source.stimuli)
        self._note = ReferenceNote(source.text, count)
        arrays = source.arrays
        if not arrays:
            path = gallery_file(model, source.stimuli)
            if not path.exists():
                for done in encode_gallery(model, source.stimuli, path):
                    self._note = ReferenceNote(source.text, count, done)
                    yield
            arrays = [open_responses(path)]
        yield from self._read(arrays)
        self.pictures = Pictures(source.stimuli)
        rows = arrays[0].sizes["stimulus"]
        self._note = ReferenceNote(source.text, rows, rows, ready=True, final=True)

    def _read(self, arrays: Sequence[xr.DataArray]) -> Iterator[None]:
        values = self.regions.masks.shape[1]
        rows = arrays[0].sizes["stimulus"]
        found = sum(int(np.prod([array.sizes[dim] for dim in array.dims if dim not in ("stimulus", "repetition")]))
                    for array in arrays)  # fmt: skip
        if found != values:
            raise InputValueError(f"the responses to them have {found:,} values each, those of the model {values:,}")
        if rows < 2:
            raise InputValueError(f"at least 2 images are needed, there {'is' if rows == 1 else 'are'} {rows}")
        held = np.empty((rows, values), np.float32) if 4 * rows * values <= self._room() else None
        levels, norms = [], []
        for start, block in blocks(arrays):
            levels.append(self.regions.levels(block))
            norms.append(self.regions.norms(block))
            if held is not None:
                held[start : start + len(block)] = np.nan_to_num(block)
            yield
        self._levels = np.sort(np.concatenate(levels), axis=0)
        ids = arrays[0]["stimulus"].values.astype(str)
        self.neighbours = Neighbours(ids, self.regions, np.concatenate(norms), held, [] if held is not None else arrays)

    def bars(self, facts: Facts, response: NDArray[np.float32]) -> list[RoiBar]:
        """A bar for each region, with what it is compared with where that is ready."""
        own = self.regions.levels(response.reshape(1, -1))[0]
        levels = self._levels if self.ready else None
        made = []
        for roi in self.regions.shown:
            column = self.regions.names.index(roi)
            scores = facts.scores.get(roi, {})
            bar = RoiBar(roi or "all", float(own[column]), self.regions.units(roi),
                         accuracy=scores.get("accuracy"), noise_ceiling=scores.get("noise_ceiling"))  # fmt: skip
            made.append(bar if levels is None else compared(bar, levels[:, column]))
        return made


def compared(bar: RoiBar, levels: NDArray[np.float64]) -> RoiBar:
    """A bar beside the sorted levels of other images.

    Examples
    --------
    >>> compared(RoiBar("V1", 2.5, 10), np.array([1.0, 2.0, 3.0, 4.0])).percentile
    50.0
    """
    low, quarter, middle, upper, high = (float(value) for value in np.percentile(levels, QUANTILES))
    below = int(np.searchsorted(levels, bar.mean, side="left"))
    return replace(bar, quantiles=(low, quarter, middle, upper, high), percentile=100 * below / len(levels))
