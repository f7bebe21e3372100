"""What a search has found so far, on disk, so that an interrupted one goes on."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from braincodec.atomic import atomic_path
from braincodec.models.gaussian_fwrf.search import Choice, UnitBlock

# seconds of work that an interruption may cost
INTERVAL = 20.0


class Checkpoint:
    """One block of units: how many fields were tried, and the best of them.

    Parameters
    ----------
    folder : Path
    key : str
        Hash of everything that decides the result but the responses.
    block : UnitBlock

    Attributes
    ----------
    done : int
        Fields tried, over all alternatives of layers.
    choice : Choice
    """

    def __init__(self, folder: Path, key: str, block: UnitBlock) -> None:
        digest = hashlib.sha256(f"{key} {block.units}".encode())
        digest.update(block.responses.numpy().data)
        self._path = folder / f"receptive-fields-{digest.hexdigest()[:20]}.npz"
        self._saved = time.monotonic()
        self.done, self.choice = 0, Choice.empty(len(block.fitted))
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                found = Choice(*(stored[name] for name in ("space", "fields", "alpha", "loss")))
                self.done, self.choice = int(stored["done"]), found
        except (OSError, ValueError, KeyError, BadZipFile):  # none, or of no use
            return

    def save(self, done: int, *, now: bool = False) -> None:
        """Note that so many fields are done; written once in a while, or now."""
        self.done = done
        if not now and time.monotonic() - self._saved < INTERVAL:
            return
        with atomic_path(self._path, overwrite=True) as temporary:
            np.savez(
                temporary,
                done=done,
                space=self.choice.space,
                fields=self.choice.fields,
                alpha=self.choice.alpha,
                loss=self.choice.loss,
            )
        self._saved = time.monotonic()
