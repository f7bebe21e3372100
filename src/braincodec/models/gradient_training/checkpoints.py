"""Where training stands, on disk: weights, moments of the optimiser and position; right whenever the process dies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from braincodec import atomic
from braincodec.errors import OutputError
from braincodec.tensor_file import write_tensors

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import torch

    Weights = dict[str, torch.Tensor]

STATE, LOCK = "state.json", "lock"
VERSION = 1


class Saved(NamedTuple):
    """What an earlier run left.

    Parameters
    ----------
    state : dict
        Position, curve and best epoch, as plain JSON.
    tensors : dict of str to torch.Tensor
        Weights and moments of the optimiser.
    best : dict of str to torch.Tensor
        Weights of the best epoch so far; empty before the first.
    """

    state: dict[str, Any]
    tensors: Weights
    best: Weights


class Checkpoints:
    """The folder of one network's training, held by one process at a time.

    `state.json` names the files that belong together and is replaced only after these are on the disk.

    Parameters
    ----------
    workspace : Path
    name : str
        What is trained, as the folder's name begins.
    identity : dict
        Everything that decides the result: plain JSON. Another one has another folder.
    """

    def __init__(self, workspace: Path, name: str, identity: dict[str, Any]) -> None:
        text = json.dumps({"version": VERSION, **identity}, sort_keys=True)
        self.folder = workspace / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
        self._lock: IO[str] | None = None
        self._best_file = ""

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = atomic.exclusive_lock(self.folder / LOCK)
        except OutputError:
            raise
        except OSError as error:
            raise atomic.write_error(self.folder, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def load(self) -> Saved | None:
        """What an earlier run left; None where there is nothing, or nothing that can be read."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not (self.folder / STATE).exists():
            return None
        try:
            state = json.loads((self.folder / STATE).read_text())
            tensors = load_file(self.folder / state["weights_file"])
            best = load_file(self.folder / state["best_file"]) if state["best_file"] else {}
            self._best_file = state["best_file"]
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(f"training begins anew: {self.folder} cannot be read ({error})", stacklevel=2)
            return None
        return Saved(state, tensors, best)

    def save(self, state: dict[str, Any], tensors: Weights, best: Weights | None = None) -> None:
        """Put a state in place of the one before.

        Parameters
        ----------
        state : dict
        tensors : dict of str to torch.Tensor
        best : dict of str to torch.Tensor, optional
            Where the best epoch is a new one; otherwise its weights stay.

        Raises
        ------
        OutputError
            When the disk is full; the state before is kept.
        """
        place = f"{state['epoch']:05d}-{state['batch']:07d}"
        written = [self.folder / f"weights-{place}.safetensors"]
        best_file = self._best_file
        try:
            if best is not None:
                best_file = f"best-{place}.safetensors"
                written.append(self.folder / best_file)
                _write(written[-1], best)
            _write(written[0], tensors)
            atomic.write_json(self.folder / STATE, {**state, "weights_file": written[0].name, "best_file": best_file})
        except OSError as error:
            for path in written:
                atomic.remove(path)
            raise atomic.write_error(self.folder, error) from error
        self._best_file = best_file
        for path in self.folder.glob("*.safetensors*"):
            if path.name not in (written[0].name, best_file):
                atomic.remove(path)


def kept_in(
    workspace: str | Path | None, name: str, identity: Callable[[], dict[str, Any]]
) -> contextlib.AbstractContextManager[Checkpoints | None]:
    """Checkpoints in a workspace; None without one.

    Parameters
    ----------
    workspace : str or Path, optional
    name : str
        As of `Checkpoints`.
    identity : callable
        Gives the identity, asked only where it is needed: it may read all data.

    Examples
    --------
    >>> with kept_in(None, "network", dict) as checkpoints:
    ...     checkpoints is None
    True
    """
    if workspace is None:
        return contextlib.nullcontext()
    return Checkpoints(Path(workspace).expanduser(), name, identity())


def _write(path: Path, tensors: Weights) -> None:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_tensors(path, plain)
    atomic.sync(path)
