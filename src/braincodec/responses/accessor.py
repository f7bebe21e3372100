"""The accessor ``.bc`` that every response array has once `braincodec.responses` is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from braincodec.atomic import atomic_path
from braincodec.errors import InputValueError
from braincodec.responses import select as selection
from braincodec.responses.coordinates import coordinates_to_units
from braincodec.responses.formats import Format, check_layout, require_space, write_responses

if TYPE_CHECKING:
    import mne


@xr.register_dataarray_accessor("bc")
class ResponsesAccessor:
    """What braincodec adds to a response array: regions, selection and export.

    Every export appears whole or not at all, and refuses to replace a file unless ``overwrite=True``.

    Examples
    --------
    >>> from braincodec.responses import build_responses, build_units
    >>> units = build_units(ijk=[[0, 0, 0], [0, 0, 1]], rois={"V1": [True, False], "V2": [False, True]})
    >>> responses = build_responses([[1.0, 2.0]], ["a"], units)
    >>> responses.bc.rois, responses.bc.select(roi="V2").values.tolist()
    (['V1', 'V2'], [[2.0]])
    """

    def __init__(self, responses: xr.DataArray) -> None:
        self._responses = responses

    @property
    def rois(self) -> list[str]:
        """Names of the regions."""
        return selection.roi_names(self._responses)

    @property
    def roi_membership(self) -> xr.DataArray:
        """Boolean array (unit, roi): which unit lies in which region."""
        return selection.roi_membership(self._responses)

    @property
    def units(self) -> xr.Dataset:
        """Everything known about the units, as in an artefact's ``units.nc``."""
        return coordinates_to_units(self._responses)

    def select(
        self,
        *,
        roi: selection.Names | None = None,
        model_roi: selection.Names | None = None,
        subject: selection.Subjects | None = None,
        hemisphere: str | None = None,
        channel: selection.Names | None = None,
        time: selection.TimeWindow | None = None,
        deduplicate: bool = False,
    ) -> xr.DataArray:
        """The responses that meet every condition; see `braincodec.responses.select`."""
        return selection.select(
            self._responses,
            roi=roi,
            model_roi=model_roi,
            subject=subject,
            hemisphere=hemisphere,
            channel=channel,
            time=time,
            deduplicate=deduplicate,
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write in the format that the suffix names; see `braincodec.responses.formats.write_responses`."""
        return write_responses(self._responses, path, overwrite=overwrite)

    def to_zarr(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a Zarr v3 group: sharded, compressed, read lazily with `open_responses` or xarray."""
        from braincodec.responses.formats.zarr_store import FORMAT

        return self._write(FORMAT, path, overwrite)

    def to_netcdf(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a netCDF-4 file, read lazily with `open_responses` or xarray."""
        from braincodec.responses.formats.hdf5 import FORMAT

        return self._write(FORMAT, path, overwrite)

    def to_nifti(self, path: str | Path, *, fill: float = np.nan, overwrite: bool = False) -> Path:
        """Write the volume that the voxels lie in, 4-D when there are several stimuli.

        Parameters
        ----------
        path : str or Path
            Ends in ``.nii.gz`` or ``.nii``.
        fill : float
            Value of voxels that are no unit.
        overwrite : bool

        Returns
        -------
        Path

        Raises
        ------
        InputValueError
            When units are no voxels, belong to several subjects or repeat, or there are repetitions.
        """
        from braincodec.responses.formats import nifti

        if not str(path).endswith((".nii", ".nii.gz")):
            raise InputValueError(f"a NIfTI file ends in .nii.gz or .nii, not {Path(path).name!r}")
        nifti.check(self._responses)
        with atomic_path(path, overwrite=overwrite) as temporary:
            nifti.write(temporary, self._responses, fill)
        return Path(path)

    def to_gifti(self, path: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write ``<name>.lh.func.gii`` and ``<name>.rh.func.gii``, one data array for each stimulus.

        Parameters
        ----------
        path : str or Path
            The name without hemisphere, ``.func.gii`` optional.
        overwrite : bool

        Returns
        -------
        list of Path
            One file for each hemisphere that has units; vertices that are no unit are NaN.

        Raises
        ------
        InputValueError
            When units are no vertices of fsaverage or fsaverage5, or there are repetitions.
        """
        from braincodec.responses.formats import gifti

        return gifti.write(path, self._responses, overwrite=overwrite)

    def to_volume(self, voxel_size: float = 3.0) -> xr.DataArray:
        """Responses of voxels, where units are vertices; see `braincodec.responses.to_volume.to_volume`."""
        from braincodec.responses.to_volume import to_volume

        return to_volume(self._responses, voxel_size)

    def to_evoked(self, *, mean: bool = False) -> list[mne.EvokedArray]:
        """MNE evoked responses, averaged over repetitions; see `braincodec.responses.to_mne.to_evoked`."""
        from braincodec.responses.to_mne import to_evoked

        return to_evoked(self._responses, mean=mean)

    def to_epochs(self) -> mne.EpochsArray:
        """MNE epochs, one for each stimulus and repetition; see `braincodec.responses.to_mne.to_epochs`."""
        from braincodec.responses.to_mne import to_epochs

        return to_epochs(self._responses)

    def _write(self, chosen: Format, path: str | Path, overwrite: bool) -> Path:
        check_layout(self._responses)
        with atomic_path(path, overwrite=overwrite) as temporary:
            require_space(chosen, self._responses, temporary.parent, Path(path))
            chosen.write(temporary, self._responses)
        return Path(path)

    def __repr__(self) -> str:
        sizes: dict[Any, int] = dict(self._responses.sizes)
        return f"ResponsesAccessor({sizes}, rois={self.rois})"
