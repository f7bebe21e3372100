"""What a synthesis has at hand: workers, and room on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from braincodec.atomic import nearest_existing
from braincodec.errors import InputValueError, OutputError
from braincodec.memory import free_main_memory
from braincodec.synthesis.plan import Plan
from braincodec.synthesis.planning.forecast import Forecast, size
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.workers.cluster import LOCAL, SLURM, check_cluster, open_cluster
from braincodec.synthesis.workers.cluster.local import default_workers
from braincodec.synthesis.workers.job import worker_bytes

# predicted responses were never seen to shrink below this part of their bytes
SMALLEST_PART = 0.5


@dataclass(frozen=True)
class Workers:
    """Where blocks are computed.

    Parameters
    ----------
    cluster : str
    number : int or None
    options : mapping or None
        Of the cluster.
    """

    cluster: str = LOCAL
    number: int | None = None
    options: Mapping[str, Any] | None = None

    def check(self) -> None:
        """Refuse what is no cluster."""
        check_cluster(self.cluster, workers=self.number, options=self.options)

    def check_memory(self, plan: Plan) -> None:
        """Refuse a tile or block that somebody asked for and this machine's memory does not hold, before it fills.

        Raises
        ------
        InputValueError
        """
        request = plan.request
        if self.cluster != LOCAL or request.device != "cpu" or (request.tile or request.block) is None:
            return
        needed, free = worker_bytes(plan), free_main_memory()
        if needed > free:
            tile, block = max(one.tile for one in plan.passes), max(one.block for one in plan.passes)
            raise InputValueError(
                f"tiles of {tile:,} images in blocks of {block:,} stimuli take a worker about {size(needed)} of "
                f"memory, and {size(free)} are free: take smaller ones (--tile, --block), or leave them out"
            )

    def to_start(self, plan: Plan, pieces: int) -> int | None:
        """How many to start for so many pieces of work; None where others start them."""
        if self.cluster not in (LOCAL, SLURM):
            return None
        number = self.number or 1
        if self.number is None and self.cluster == LOCAL:
            number = default_workers(plan.request.threads, plan.request.device, worker_bytes(plan))
        return min(number, max(1, pieces))

    def at_hand(self, plan: Plan, pieces: int) -> tuple[int, str]:
        """How many there are or will be for so many pieces of work, and where, in words.

        Raises
        ------
        UnreachableError
            When no scheduler answers at the address.
        """
        number = self.to_start(plan, pieces)
        if number is not None:
            return number, "on this machine" if self.cluster == LOCAL else "as jobs of Slurm"
        with open_cluster(self.cluster) as found:
            return max(1, found.workers_expected), f"of {self.cluster}"


def free_bytes(place: Place) -> int | None:
    """Room on the disk of a place; None at an address."""
    if place.local is None:
        return None
    return shutil.disk_usage(nearest_existing(place.local)).free


def check_room(forecast: Forecast) -> list[str]:
    """A remark where the disk may be too small.

    Raises
    ------
    OutputError
        Where it is, however well the responses are compressed.
    """
    if forecast.free_bytes is None:
        return []
    needed = forecast.missing_bytes
    least = needed * (1 if forecast.plan.request.layout == "fast" else SMALLEST_PART)
    words = f"{size(forecast.free_bytes)} are free on the disk of {forecast.output}"
    if forecast.free_bytes < least:
        smaller = "" if forecast.plan.request.stored_dtype == "float16" else ", store them as float16"
        raise OutputError(
            f"{words}, and {size(needed)} of responses are to be written: make room{smaller}, or take fewer"
        )
    if forecast.free_bytes < needed:
        return [f"{words}, {size(needed)} of responses are to be compressed onto it: it may become full"]
    return []
