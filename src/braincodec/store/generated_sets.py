"""Generated responses below a native store: which are there, which are finished, and opening them once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from braincodec.errors import InputTypeError, MissingFileError, UnknownNameError
from braincodec.folder import Folder, LocalFolder
from braincodec.store.response_sets import ResponseSet
from braincodec.subjects import Subject, plain_subject, subject_folder, subject_of_folder

if TYPE_CHECKING:
    import xarray as xr

ROI = "roi-"
RESPONSES = "generated_responses"
STIMULI = "stimuli-"
GROUP, METADATA, ARRAY = ".zarr", "zarr.json", "responses"
# a set of a million stimuli has about 150 MB of labels and their index
MOST_KEPT = 8


class GeneratedSets:
    """The sets ``generated_responses/<model>/stimuli-<name>/subject-01[_roi-V1].zarr`` of a folder.

    Parameters
    ----------
    folder : Folder

    Notes
    -----
    What was opened is kept, labels and their index, never values: the next call costs a look at whether it has changed.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._kept: dict[tuple[str, str | None], tuple[object, xr.DataArray]] = {}

    def __iter__(self) -> Iterator[ResponseSet]:
        """Those that are finished, by model, stimuli and file name."""
        for model in self._folder.names(RESPONSES):
            for folder in self._folder.names(f"{RESPONSES}/{model}"):
                for name in self._folder.names(f"{RESPONSES}/{model}/{folder}") if folder.startswith(STIMULI) else []:
                    own, _, roi = name.removesuffix(GROUP).partition(f"_{ROI}")
                    subject = subject_of_folder(own)
                    group = f"{RESPONSES}/{model}/{folder}/{name}"
                    if name.endswith(GROUP) and subject is not None and self._is_finished(group):
                        yield ResponseSet(model, folder.removeprefix(STIMULI), subject, roi or None)

    def open(self, model: str, stimuli: str, subject: Subject, roi: str | None) -> xr.DataArray:
        """The responses to a stimulus set, lazy: of one region's own array, or of the array of all units.

        Raises
        ------
        UnknownNameError
            When the model has no responses to these stimuli, or a region is none of the array's.
        MissingFileError
            When there are none of this subject or region, or they are unfinished; says how far they are.
        """
        if not isinstance(stimuli, str):
            raise InputTypeError(f"stimuli is the name of a stimulus set, got {stimuli!r}")
        own = f"{RESPONSES}/{model}/{STIMULI}{stimuli}/{subject_folder(plain_subject(subject))}"
        if roi is not None and self._is_finished(f"{own}_{ROI}{roi}{GROUP}"):
            return self._opened(f"{own}_{ROI}{roi}{GROUP}", None)
        if self._is_finished(f"{own}{GROUP}"):
            return self._opened(f"{own}{GROUP}", roi)
        raise self._absent(model, stimuli, subject, roi, own)

    def _is_finished(self, group: str) -> bool:
        # written last, after all values are durable
        return self._folder.is_file(f"{group}/{METADATA}")

    def _opened(self, group: str, roi: str | None) -> xr.DataArray:
        from braincodec.responses import open_responses

        stamp = self._stamp(group)
        kept = self._kept.get((group, roi))
        if kept is None or kept[0] != stamp:
            if roi is not None:
                responses = self._opened(group, None).bc.select(roi=roi)
            else:
                where, options = self._folder.lazy(group)
                responses = open_responses(where, storage_options=options)
            kept = (stamp, responses)
            self._kept[(group, roi)] = kept
            while len(self._kept) > MOST_KEPT:
                self._kept.pop(next(iter(self._kept)), None)
        # a new array each time: what the caller loads into it or changes is the caller's
        return kept[1].copy(deep=False)

    def _stamp(self, group: str) -> object:
        if not isinstance(self._folder, LocalFolder):
            return None  # what was listed at an address is not listed again either
        status = self._folder.local(f"{group}/{METADATA}").stat()
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def _absent(
        self, model: str, stimuli: str, subject: Subject, roi: str | None, own: str
    ) -> MissingFileError | UnknownNameError:
        """What to raise where no finished array answers."""
        here = sorted({one.stimuli for one in self if one.model == model})
        what = f"generated responses of subject {subject}" + (f", roi {roi}" if roi else "")
        for group in [f"{own}_{ROI}{roi}{GROUP}"] * (roi is not None) + [f"{own}{GROUP}"]:
            if self._folder.names(group):
                hint = f"the synthesis is unfinished{self._how_far(group)}: 'braincodec synthesize -o STORE --resume'"
                return MissingFileError(self._folder.join(group, METADATA), f"complete {what}", hint)
        if stimuli not in here:
            return UnknownNameError("stimulus set", stimuli, here, where=f"of {model} in {self._folder.address}")
        place = own.rpartition("/")[0]
        present = sorted(name for name in self._folder.names(place) if self._is_finished(f"{place}/{name}"))
        name = f"{own}_{ROI}{roi}{GROUP}" if roi is not None else f"{own}{GROUP}"
        return MissingFileError(self._folder.join(name), what, f"here are {present}")

    def _how_far(self, group: str) -> str:
        """Words on how much of an unfinished array is written."""
        if not self._folder.is_file(f"{group}/{ARRAY}/{METADATA}"):
            return ""
        metadata = json.loads(self._folder.local(f"{group}/{ARRAY}/{METADATA}").read_text(encoding="utf-8"))
        rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
        written = sum(name.isdigit() for name in self._folder.names(f"{group}/{ARRAY}/c"))
        return f", {written:,} of {-(-metadata['shape'][0] // rows):,} blocks of {rows:,} stimuli are written"
