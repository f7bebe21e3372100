"""Writing responses in a stream: bounded memory, resumable, complete or absent under their final name."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import xarray as xr

from braincodec.atomic import refuse_existing, remove, replace
from braincodec.errors import InputTypeError, InputValueError, OutputError
from braincodec.responses.checks import check_stimulus_ids
from braincodec.responses.formats import format_of, require_space, row_bytes, suffix_of
from braincodec.responses.formats.labels import labels_of
from braincodec.responses.reader import open_responses
from braincodec.responses.staging import FINAL, Staging, read_state


class SkippedStimulus(Protocol):
    """A stimulus that could not be read."""

    @property
    def position(self) -> int:
        """Place in the stimulus set."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def reason(self) -> str:
        """What was wrong."""


class ResponseWriter:
    """Writes responses batch by batch to a file that appears only when it is complete.

    Batches go to the folder ``.<name>.partial`` beside the file. A run that was interrupted or killed goes on from
    there when it is started again with the same plan, and ends in the same bytes as one that was not.

    Parameters
    ----------
    path : str or Path
        The suffix decides: ``.zarr``, ``.nc``, ``.h5``, ``.npy`` (values alone), ``.npz``, ``.nii.gz``.
    template : DataArray
        Responses to no stimuli, from `empty_responses`.
    plan : mapping
        Everything that decides the values: model, stimuli, precision. JSON-serialisable.
    overwrite : bool
        Replace an existing file, and discard an unfinished one that was begun with another plan.
    expected_stimuli : int, optional
        How many stimuli will come, to refuse at once when the disk cannot hold them.

    Raises
    ------
    UnknownNameError
        When the suffix names no format.
    InputValueError
        When the template cannot be written in this format, or an unfinished file has another plan.
    OutputError
        When the file exists, is being written by another process, or the disk is too small.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.responses import build_units, empty_responses
    >>> path = Path(tempfile.mkdtemp()) / "responses.zarr"
    >>> template = empty_responses(build_units(ijk=[[0, 0, 0], [0, 0, 1]]))
    >>> with ResponseWriter(path, template, plan={"model": "example"}) as writer:
    ...     writer.write(np.zeros((2, 2), "float32"), ["a", "b"], next_position=2)
    ...     responses = writer.commit()
    >>> responses.sizes["stimulus"]
    2
    """

    def __init__(
        self,
        path: str | Path,
        template: xr.DataArray,
        *,
        plan: Mapping[str, Any],
        overwrite: bool = False,
        expected_stimuli: int | None = None,
    ) -> None:
        self.path = Path(path)
        self._suffix, self._format = suffix_of(path), format_of(path)
        self._format.check(template)
        if template.sizes["stimulus"]:
            raise InputValueError("the template must have no stimuli (empty_responses makes one)")
        self._template, self._overwrite, self._expected = template, overwrite, expected_stimuli
        self.staging_folder = self.path.with_name(f".{self.path.name}.partial")
        self._identity: dict[str, Any] = {"plan": _plain_plan(plan), "layout": _layout(template)}
        refuse_existing(self.path, overwrite=overwrite)
        self._discard = self._refuse_other_plan()
        self._staging = Staging(self.staging_folder, template, self._identity)
        self._seen: set[str] = set()
        self._committed = False

    @property
    def rows(self) -> int:
        """How many stimuli are stored already."""
        return self._staging.progress.rows

    @property
    def next_position(self) -> int:
        """Position in the stimulus set at which to go on."""
        return self._staging.progress.next_position

    @property
    def bad(self) -> list[dict[str, Any]]:
        """Stimuli that were left out, in this run and before: position, id, reason."""
        return list(self._staging.progress.bad)

    def __enter__(self) -> Self:
        try:
            self._staging.open(discard=self._discard)
            self._seen = set(self._staging.ids())
            self._refuse_small_disk()
        except BaseException as error:
            self._staging.close()
            if isinstance(error, OSError):
                raise self._output_error(error) from error
            raise
        return self

    def write(
        self,
        block: np.ndarray,
        ids: Sequence[str] | np.ndarray,
        next_position: int,
        bad: Sequence[SkippedStimulus] = (),
    ) -> None:
        """Add the responses to some stimuli.

        Parameters
        ----------
        block : array, shape (stimuli, ...)
            As the template, one row for each stimulus.
        ids : sequence of str
        next_position : int
            Position in the stimulus set after these and any left-out stimuli: a resumed run begins there.
        bad : sequence of BadStimulus
            Stimuli that were left out since the last call.
        """
        block = np.asarray(block)
        expected = self._template.shape[1:]
        if block.shape[1:] != expected or not block.ndim:
            raise InputValueError(f"block has shape {block.shape}; expected (stimuli, {', '.join(map(str, expected))})")
        names = [str(item) for item in check_stimulus_ids(ids)]
        if len(names) != len(block):
            raise InputValueError(f"{len(names)} ids for {len(block)} rows")
        again = next((name for name in names if name in self._seen), None)
        if again is not None:
            raise InputValueError(f"stimulus id {again!r} was written before; each may occur once")
        if next_position < self.next_position:
            raise InputValueError(f"next_position {next_position} lies before {self.next_position}")
        # a copy, because rows wait in memory while the caller may reuse the array
        block = np.array(block, dtype=self._template.dtype, order="C")
        reasons = [{"position": int(b.position), "id": str(b.id), "reason": str(b.reason)} for b in bad]
        try:
            self._staging.append(block, names, int(next_position), reasons)
        except OSError as error:
            raise self._output_error(error, block) from error
        self._seen.update(names)

    def commit(self) -> xr.DataArray:
        """Give the responses their final name.

        Returns
        -------
        DataArray
            The responses, read lazily from the file.
        """
        try:
            refuse_existing(self.path, overwrite=self._overwrite)
            finished = self._staging.finish()
            if self._suffix != ".zarr":
                finished = self._converted(finished)
            replace(finished, self.path)
        except OSError as error:
            raise self._output_error(error) from error
        self._committed = True
        remove(self.staging_folder)
        return open_responses(self.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._committed:
            self._staging.close()
            return
        try:
            if self._staging.saved != self._staging.progress:
                self._staging.save()
        except OSError:
            # the state saved before still holds, and the error being raised says more
            if error is None:
                raise
        finally:
            self._staging.close()

    def _converted(self, store: Path) -> Path:
        responses = open_responses(store)
        final = self.staging_folder / f"{FINAL}{self._suffix}"
        try:
            require_space(self._format, responses, self.staging_folder, self.path)
            self._format.write(final, responses)
        except BaseException:
            remove(final)
            raise
        return final

    def _refuse_other_plan(self) -> bool:
        """Whether an unfinished file has to be discarded; raises when it may not be."""
        state = read_state(self.staging_folder)
        if state is None:
            return False
        before, now = state.get("plan", {}), self._identity["plan"]
        changed = [
            f"{name} was {before.get(name)!r}, now {now.get(name)!r}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]
        if not changed and state.get("layout") != self._identity["layout"]:
            changed = ["units or dimensions differ"]
        if changed and not self._overwrite:
            raise InputValueError(
                f"{self.path} was begun with other settings ({'; '.join(changed)}) and is unfinished: "
                f"go on with those, discard it (--overwrite, overwrite=True), or choose another name"
            )
        return bool(changed)

    def _refuse_small_disk(self) -> None:
        needed = self._bytes_to_come()
        free = shutil.disk_usage(self.staging_folder).free
        if needed is not None and free < needed:
            raise OutputError(
                f"cannot write {self.path}: about {needed / 1e6:,.1f} MB are needed, {free / 1e6:,.1f} MB are free"
            )

    def _bytes_to_come(self) -> int | None:
        if self._expected is None:
            return None
        return max(self._expected - self.rows, 0) * row_bytes(self._template)

    def _output_error(self, error: OSError, block: np.ndarray | None = None) -> OutputError:
        if isinstance(error, OutputError):
            return error
        free = shutil.disk_usage(next(folder for folder in self.staging_folder.parents if folder.exists())).free
        needed = self._bytes_to_come() or (0 if block is None else block.nbytes)
        sizes = f"{free / 1e6:,.1f} MB free" + (
            f", {needed / 1e6:,.1f} MB needed for what is to come" if needed else ""
        )
        kept = self._staging.saved.rows
        rest = f"; {kept} stimuli are kept, and the same call goes on after them" if kept else ""
        return OutputError(f"cannot write {self.path}: {error.strerror or error} ({sizes}){rest}")


def _plain_plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(plan), sort_keys=True))
    except TypeError as error:
        raise InputTypeError(f"a plan must be plain JSON values: {error}") from None
    return plain


def _layout(template: xr.DataArray) -> str:
    """A hash of dimensions, dtype, coordinates and attributes."""
    digest = hashlib.sha256(repr((template.dims, template.shape, str(template.dtype))).encode())
    labels = labels_of(template, with_stimuli=False)
    for name, variable in sorted(labels.variables.items(), key=lambda item: str(item[0])):
        digest.update(repr((name, variable.dims, variable.shape)).encode())
        values = variable.values
        digest.update(
            "\0".join(values.ravel()).encode() if values.dtype == object else np.ascontiguousarray(values).data
        )
    # a newer version of the package may go on with what an older one began
    attrs = {name: value for name, value in labels.attrs.items() if name != "braincodec_version"}
    digest.update(json.dumps(attrs, sort_keys=True, default=str).encode())
    return digest.hexdigest()
