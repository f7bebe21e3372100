"""What a person wants to know of a model before running it, without reading its weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.card import SCORES
from braincodec.errors import MissingFileError, UnknownNameError
from braincodec.folder import LocalFolder
from braincodec.store.legacy_store import LegacyStore
from braincodec.store.native_store import NativeStore
from braincodec.subjects import Subject, plain_subject

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.store.base import ModelEntry, Store

SCALING = {
    "zscored_within_session": "z-scored within each recording session: 0 is a unit's mean response, 1 one standard "
    "deviation of its single-trial responses",
    "noise_normalised": "multivariate noise normalisation within each session: no physical unit, noise has variance 1",
    "original": "in the units of the original recording",
    "microvolt": "microvolts",
    "unknown": "not stated",
}


def model_summary(store: Store, model: str) -> dict[str, Any]:
    """Facts about one model of a store.

    Parameters
    ----------
    store : Store
    model : str

    Returns
    -------
    dict
        ``id, modality, dataset, kind, rois_of_subject, one_model_a_roi, accuracy, response_units, scaling, simulated,
        licence, citation, notes``; plain values only.

    Raises
    ------
    UnknownNameError
        With the store's models.
    """
    entry = store.entry(model)
    units = _response_units(store, entry)
    return {
        "id": entry.id,
        "modality": entry.modality,
        "dataset": entry.dataset,
        "kind": entry.kind,
        "rois_of_subject": {subject: list(rois) for subject, rois in entry.rois_of_subject.items()},
        "one_model_a_roi": entry.one_model_a_roi,
        "accuracy": entry.accuracy,
        "response_units": units,
        "scaling": SCALING.get(units, units),
        "simulated": entry.simulated,
        "licence": entry.licence,
        "citation": entry.citation,
        "notes": entry.notes,
    }


def score_table(store: Store, model: str, subject: Subject | None = None) -> list[dict[str, Any]]:
    """Number of units and median scores of each region of one subject.

    Parameters
    ----------
    store : Store
    model : str
    subject : int or str, optional
        Default: the first.

    Returns
    -------
    list of dict
        ``subject``, ``roi`` (empty for all units together), ``units``, and the median of each score that is known.
        Regions whose metadata are absent are left out.

    Raises
    ------
    UnknownNameError
        With the model's subjects.
    """
    entry = store.entry(model)
    chosen = entry.subjects[0] if subject is None else plain_subject(subject)
    if chosen not in entry.rois_of_subject:
        raise UnknownNameError("subject", chosen, entry.subjects, where=f"of {model} in {store.address}")
    rows = []
    for roi in entry.rois_of_subject[chosen] if entry.one_model_a_roi else (None,):
        try:
            units = _units(store, entry, chosen, roi)
        except MissingFileError:
            continue
        if entry.one_model_a_roi or "roi_membership" not in units:
            rows.append(_row(units, chosen, roi or ""))
            continue
        rows.append(_row(units, chosen, ""))
        for name in units["roi"].values.astype(str):
            member = units["roi_membership"].sel(roi=name).values.astype(bool)
            rows.append(_row(units.isel(unit=member), chosen, str(name)))
    return rows


def _row(units: xr.Dataset, subject: Subject, roi: str) -> dict[str, Any]:
    dims = [name for name in ("unit", "repetition", "channel", "time") if name in units.sizes]
    row: dict[str, Any] = {"subject": subject, "roi": roi, "units": " x ".join(str(units.sizes[name]) for name in dims)}
    for name in SCORES:
        if name in units:
            values = np.asarray(units[name].values, float)
            row[name] = float(np.nanmedian(values)) if np.isfinite(values).any() else None
    return row


def _units(store: Store, entry: ModelEntry, subject: Any, roi: str | None) -> xr.Dataset:
    if isinstance(store, LegacyStore):
        family = store.family(entry.id)
        return family.units_from(family.metadata(subject, roi), subject, roi)
    if isinstance(store, NativeStore):
        import xarray as xr

        from braincodec.artefact import UNITS

        place = store.place(entry.id, subject, roi)
        with xr.open_dataset(store.folder.local(f"{place}/{UNITS}", "units of an artefact"), engine="h5netcdf") as file:
            return file.load()
    return store.encoder(entry.id, subject, roi).units


def _response_units(store: Store, entry: ModelEntry) -> str:
    if isinstance(store, LegacyStore):
        return store.family(entry.id).response_units
    if isinstance(store, NativeStore):
        from braincodec.artefact import CONFIG

        subject = entry.subjects[0]
        rois = entry.rois_of_subject[subject]
        place = store.place(entry.id, subject, rois[0] if entry.one_model_a_roi else None)
        config = json.loads(store.folder.local(f"{place}/{CONFIG}", "settings of an artefact").read_text())
        return str(config["description"].get("response_units", "unknown"))
    return "unknown"


def is_remote(store: Store) -> bool:
    """Whether asking for scores would fetch files."""
    return not isinstance(store.folder, LocalFolder)
