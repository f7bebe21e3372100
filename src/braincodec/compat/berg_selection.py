"""The `selection` of BERG's models: regions, channels, time points, vertices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.compat.checks import check_name
from braincodec.compat.models import KnownModel
from braincodec.errors import InputTypeError, InputValueError
from braincodec.legacy.families import OTHER_SPELLING
from braincodec.legacy.keys import HEMISPHERES

if TYPE_CHECKING:
    import xarray as xr

EEG_KEYS = ("channels", "timepoints")
VOLUME_KEYS = ("roi",)
SURFACE_KEYS = ("roi", "lh_vertices", "rh_vertices")
MESH_VERTICES = {"fsaverage": 163_842, "fsaverage5": 10_242}  # of one hemisphere


def narrow(units: xr.Dataset, selection: dict[str, Any], known: KnownModel) -> dict[str, np.ndarray]:
    """Positions of the selected outputs, by dimension; dimensions that stay whole are left out.

    Parameters
    ----------
    units : xarray.Dataset
        Of the whole model.
    selection : dict
        With the keys that belong to this kind of model.
    known : KnownModel
    """
    if "time" in units.sizes:
        return _narrow_sensors(units, selection)
    if selection.get("roi") is not None:
        here = units["roi"].values.astype(str).tolist() if "roi" in units else []
        names = check_rois(selection["roi"], [*here, *(one for one in known.rois if one not in here)], known.id)
        where = f"of {known.id} for this subject"
        spelled = [OTHER_SPELLING.get(name, name) if name not in here else name for name in names]
        spelled = [check_name("roi", name, here, where) for name in spelled]
        return {"unit": np.flatnonzero(units["roi_membership"].sel(roi=spelled).any("roi").values)}
    vectors = {side: selection.get(f"{side}_vertices") for side in HEMISPHERES}
    if all(vector is None for vector in vectors.values()):
        return {}
    if "hemisphere" not in units:
        raise InputValueError(f"{known.id} has no vertices: select by 'roi'")
    chosen = np.zeros(units.sizes["unit"], bool)
    vertices = units["vertex"].values
    for side, hemisphere in HEMISPHERES.items():
        own = units["hemisphere"].values == hemisphere
        if vectors[side] is not None:
            length = MESH_VERTICES.get(units.attrs.get("space", ""), int(vertices.max()) + 1)
            own = own & check_binary(f"{side}_vertices", vectors[side], length)[vertices]
        chosen |= own
    return {"unit": np.flatnonzero(chosen)}


def _narrow_sensors(units: xr.Dataset, selection: dict[str, Any]) -> dict[str, np.ndarray]:
    indices = {}
    if selection.get("channels") is not None:
        names = units["channel"].values.astype(str).tolist()
        chosen = [
            check_name("channel", name, names) for name in _several("channels", selection["channels"], "channel names")
        ]
        indices["channel"] = np.asarray([names.index(name) for name in chosen])
    if selection.get("timepoints") is not None:
        vector = check_binary("timepoints", selection["timepoints"], units.sizes["time"])
        indices["time"] = np.flatnonzero(vector)
    return indices


def check_rois(value: Any, choices: Iterable[str], model: str) -> list[str]:
    """Names of regions, each once, from one name or a list of them.

    Examples
    --------
    >>> check_rois("V1", ["V1", "V2"], "fmri-nsd-fwrf")
    ['V1']
    """
    known = list(choices)
    if value is None:
        raise InputTypeError(f"{model} needs selection={{'roi': name}}; available: {', '.join(known)}")
    names = [value] if isinstance(value, str) else _several("roi", value, "region names")
    alike = [*known, *(OTHER_SPELLING[name] for name in known if name in OTHER_SPELLING)]
    return [check_name("roi", name, alike, f"of {model}") for name in dict.fromkeys(names)]


def _several(argument: str, value: Any, what: str) -> list[Any]:
    if not isinstance(value, list | tuple | np.ndarray) or not len(value):
        shown = f"{type(value).__name__}" if not isinstance(value, list | tuple) else "an empty one"
        raise InputTypeError(f"{argument!r} must be a list of {what}, got {shown}")
    return list(value)


def check_binary(argument: str, value: Any, length: int) -> np.ndarray:
    """A boolean vector from one of 0 and 1.

    Examples
    --------
    >>> check_binary("timepoints", [0, 1, 1], 3).tolist()
    [False, True, True]
    """
    if not isinstance(value, list | tuple | np.ndarray):
        raise InputTypeError(f"{argument!r} must be a list or numpy array of 0 and 1, got {type(value).__name__}")
    vector = np.asarray(value)
    if vector.shape != (length,):
        raise InputValueError(f"{argument!r} must have one 0 or 1 for each of {length:,}, got shape {vector.shape}")
    if vector.dtype.kind not in "biuf" or not np.isin(vector, (0, 1)).all():
        raise InputValueError(f"{argument!r} must hold only 0 and 1")
    if not vector.any():
        raise InputValueError(f"{argument!r} selects nothing: at least one 1 is needed")
    return vector.astype(bool)
