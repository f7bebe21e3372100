"""GIFTI: values on the vertices of fsaverage or fsaverage5, one file for each hemisphere."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import xarray as xr

from braincodec.atomic import atomic_path
from braincodec.errors import InputValueError
from braincodec.extras import import_optional
from braincodec.responses.formats import check_layout

PURPOSE = "writing GIFTI files"
VERTICES = {"fsaverage": 163_842, "fsaverage5": 10_242}
SHORT_NAME = {"left": "lh", "right": "rh"}
STRUCTURE = {"left": "CortexLeft", "right": "CortexRight"}


def write(path: str | Path, responses: xr.DataArray, *, overwrite: bool = False) -> list[Path]:
    """Write ``<name>.lh.func.gii`` and ``<name>.rh.func.gii``, as far as the hemispheres have units.

    A GIFTI file is text that has to be built whole, so memory grows with stimuli x vertices.
    """
    import_optional("nibabel", PURPOSE)
    check(responses)
    path = Path(path)
    stem = path.name.removesuffix(".gii").removesuffix(".func")
    hemispheres = [side for side in SHORT_NAME if (responses["hemisphere"].values == side).any()]
    targets = [path.with_name(f"{stem}.{SHORT_NAME[side]}.func.gii") for side in hemispheres]
    with contextlib.ExitStack() as stack:
        for side, target in zip(hemispheres, targets, strict=True):
            temporary = stack.enter_context(atomic_path(target, overwrite=overwrite))
            temporary.write_bytes(_content(responses, side))
    return targets


def check(responses: xr.DataArray) -> None:
    """Raise unless the responses are vertices of one subject on a known mesh, without repetitions."""
    check_layout(responses)
    space = responses.attrs.get("space")
    if responses.dims != ("stimulus", "unit"):
        dims = ", ".join(map(str, responses.dims))
        raise InputValueError(f"a GIFTI file needs responses (stimulus, unit), not ({dims}): average repetitions first")
    if space not in VERTICES or not {"vertex", "hemisphere"} <= set(responses.coords):
        raise InputValueError(
            f"a GIFTI file needs vertices of {' or '.join(VERTICES)}; these units lie in {space or 'an unknown space'}"
        )
    subjects = np.unique(responses["subject"].values) if "subject" in responses.coords else np.array([])
    if len(subjects) > 1:
        raise InputValueError(
            f"a GIFTI file holds one subject; these are {', '.join(map(str, subjects))}: select(subject=...) first"
        )
    vertices = responses["vertex"].values
    if len(vertices) and vertices.max() >= VERTICES[space]:
        raise InputValueError(f"vertex {vertices.max()} does not exist on {space}, which has {VERTICES[space]:,}")
    for side in SHORT_NAME:
        here = vertices[responses["hemisphere"].values == side]
        if len(np.unique(here)) < len(here):
            raise InputValueError(
                "a vertex occurs twice (two models predict it): select(deduplicate=True) or a model_roi first"
            )


def _content(responses: xr.DataArray, side: str) -> bytes:
    nibabel = import_optional("nibabel", PURPOSE)
    here = np.flatnonzero(responses["hemisphere"].values == side)
    vertices, values = responses["vertex"].values[here], responses[:, here].values
    meta = {
        "AnatomicalStructurePrimary": STRUCTURE[side],
        "space": responses.attrs["space"],
        "response_units": str(responses.attrs.get("response_units", "unknown")),
        "simulated": str(responses.attrs.get("simulated", 0)),
    }
    image = nibabel.GiftiImage(meta=nibabel.gifti.GiftiMetaData(meta))
    for stimulus, row in zip(responses["stimulus"].values, values, strict=True):
        mesh = np.full(VERTICES[responses.attrs["space"]], np.nan, dtype=np.float32)
        mesh[vertices] = row
        image.add_gifti_data_array(
            nibabel.gifti.GiftiDataArray(mesh, "NIFTI_INTENT_ESTIMATE", meta={"Name": str(stimulus)})
        )
    content: bytes = image.to_bytes()
    return content
