"""Generated responses and their image sets as NED, NEST and BERG folders hold them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from braincodec.errors import DamagedFileError, MissingFileError, UnknownNameError
from braincodec.legacy.families import FAMILIES, HOW_TO_GET, OTHER_SPELLING, STATED_KEY, Family, content_of
from braincodec.legacy.labels import OWN_LABELS, SKIPPED, STIMULUS_IDS, image_paths
from braincodec.legacy.read import read_legacy
from braincodec.stimuli import StimulusSet

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    import xarray as xr

    from braincodec.folder import Folder

PLACES = ("synthetic_neural_responses", "pregenerated_insilico_neural_responses")
FILE_NAME = re.compile(r"(?:synthetic|insilico)_neural_responses(?:_.+?)?_sub(?:ject)?-(\d+)(?:_roi-(.+))?\.h5")
IMAGES = {"nsd": 73_000, "things": 26_107, "imagenet_val": 50_000}
THINGS_FOLDER = "images"  # of the THINGS database; the labels' paths begin with it, or lie below it
ROUNDING = "float16_"  # begins the attributes that say what rounding to half precision changed


@dataclass(frozen=True)
class ResponseFile:
    """One file of generated responses."""

    model: str
    imageset: str
    subject: int
    roi: str | None
    name: str  # below the folder
    metadata_name: str


def response_files(folder: Folder, family: Family) -> list[ResponseFile]:
    """The files of one family's generated responses, sorted."""
    found = []
    for place in PLACES:
        root = f"{place}/modality-{family.modality}/train_dataset-{family.dataset}/model-{family.name}"
        for imageset in folder.names(root):
            if not imageset.startswith("imageset-"):
                continue
            for name in folder.names(f"{root}/{imageset}"):
                match = FILE_NAME.fullmatch(name)
                if match:
                    metadata = name.replace("neural_responses", "neural_responses_metadata", 1)
                    found.append(
                        ResponseFile(
                            model=family.model,
                            imageset=imageset.removeprefix("imageset-"),
                            subject=int(match[1]),
                            roi=match[2],
                            name=f"{root}/{imageset}/{name}",
                            metadata_name=f"{root}/{imageset}/{metadata.removesuffix('.h5')}.npy",
                        )
                    )
    return sorted(found, key=lambda file: (file.imageset, file.subject, file.roi or ""))


def families_of_responses(folder: Folder, known: Collection[str]) -> Iterator[Family]:
    """Families of the models whose responses are here, but that were not published and have no weights here.

    Parameters
    ----------
    folder : Folder
    known : collection of str
        Identifiers to leave out.
    """
    seen = set(known)
    for place in PLACES:
        for modality, dataset, name in _models_below(folder, place):
            model = f"{modality}-{dataset}-{name}"
            root = f"{place}/modality-{modality}/train_dataset-{dataset}/model-{name}"
            files = [file for one in folder.names(root) for file in folder.names(f"{root}/{one}")]
            found = [match for file in files if (match := FILE_NAME.fullmatch(file))]
            layout = _layout(modality, any(match[2] for match in found))
            if model in seen or not found or layout is None:
                continue
            seen.add(model)
            subjects = tuple(sorted({int(match[1]) for match in found}))
            rois = tuple(sorted({match[2] for match in found if match[2]}))
            yield FAMILIES.get(layout).of_dataset(dataset, name, subjects, rois)(folder)


def _models_below(folder: Folder, place: str) -> Iterator[tuple[str, str, str]]:
    """Modality, data set and name of every model with a folder."""
    for modality in folder.names(place):
        for dataset in folder.names(f"{place}/{modality}") if modality.startswith("modality-") else ():
            for name in folder.names(f"{place}/{modality}/{dataset}") if dataset.startswith("train_dataset-") else ():
                if name.startswith("model-"):
                    parts = (modality, dataset, name)
                    yield tuple(part.partition("-")[2] for part in parts)  # type: ignore[misc]


def _layout(modality: str, by_region: bool) -> str | None:
    """The published model whose metadata look the same."""
    if modality == "fmri":
        return "fmri-nsd-fwrf" if by_region else "fmri-nsd_fsaverage-vit_b_32"
    return "eeg-things_eeg_2-vit_b_32" if modality == "eeg" else None


def response_file(folder: Folder, family: Family, imageset: str, subject: int, roi: str | None) -> ResponseFile | None:
    """The file asked for; None where there is none."""
    files = response_files(folder, family)
    for spelling in (roi, OTHER_SPELLING.get(roi or "")):
        for file in files:
            if (file.imageset, file.subject, file.roi) == (imageset, subject, spelling or None):
                return file
    return None


def explain_missing(folder: Folder, family: Family, imageset: str, subject: int, roi: str | None) -> NoReturn:
    """Raise for a file that is not here: its image set is unknown, or the file itself is missing."""
    sets = sorted({file.imageset for file in response_files(folder, family)})
    if imageset not in {*sets, *IMAGES}:
        raise UnknownNameError("stimulus set", imageset, sets, where=f"of {family.model} in {folder.address}")
    # known in general, but not in this folder: say which file is missing
    name = f"synthetic_neural_responses_sub-{subject:02d}" + (f"_roi-{roi}" if roi else "") + ".h5"
    model = f"modality-{family.modality}/train_dataset-{family.dataset}/model-{family.name}"
    place = next((place for place in PLACES if folder.names(place)), PLACES[0])
    path = folder.join(place, model, f"imageset-{imageset}", name)
    what = f"generated responses of subject {subject}" + (f", roi {roi}" if roi else "")
    raise MissingFileError(path, what, HOW_TO_GET)


def open_h5(path: Path) -> tuple[h5py.File, h5py.Dataset]:
    """The file and its one dataset of responses, read lazily."""
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DamagedFileError(f"{path} is no readable HDF5 file: {error}") from error
    names = [name for name, item in file.items() if isinstance(item, h5py.Dataset)]
    name = PLACES[0] if PLACES[0] in names else names[0] if len(names) == 1 else None
    if name is None:
        file.close()
        raise DamagedFileError(f"{path} holds {names or 'no data set'}; expected '{PLACES[0]}'")
    return file, file[name]


def open_responses(path: Path, units: xr.Dataset, ids: np.ndarray, attrs: dict[str, Any]) -> xr.DataArray:
    """Generated responses, labelled, read lazily.

    Parameters
    ----------
    path : Path
        HDF5: (stimulus, unit) or (stimulus, repetition, channel, time).
    units : xarray.Dataset
        Of the model that made them.
    ids : array of str
        Stimulus ids, one for each row.
    attrs : dict
    """
    import xarray as xr

    from braincodec.responses.coordinates import units_to_coordinates

    file, dataset = open_h5(path)
    name, shape = str(dataset.name).lstrip("/"), dataset.shape
    file.close()
    dims = ("stimulus", "unit") if len(shape) == 2 else ("stimulus", "repetition", "channel", "time")
    expected = (len(ids), *(units.sizes.get(dim) for dim in dims[1:]))
    if shape != expected:
        raise DamagedFileError(f"{path} holds responses of shape {shape}, expected {expected} for {dims}")
    opened = xr.open_dataset(path, engine="h5netcdf", phony_dims="access")[name]
    labelled = opened.rename(dict(zip(opened.dims, dims, strict=True)))
    coordinates: dict[str, Any] = {**units_to_coordinates(units), "stimulus": ("stimulus", ids)}
    return labelled.assign_coords(coordinates).assign_attrs({**units.attrs, **attrs}).rename("responses")


def read_labels(folder: Folder, file: ResponseFile, *, required: bool = False) -> dict[str, Any]:
    """The published metadata of one file of responses, with the labels of its images.

    An absent file gives an empty dict, or `MissingFileError` where it is `required`.
    """
    if not required and not folder.is_file(file.metadata_name):
        return {}
    content = read_legacy(folder.local(file.metadata_name, "metadata of generated responses", HOW_TO_GET))
    if not isinstance(content, dict):
        raise DamagedFileError(f"{folder.join(file.metadata_name)} holds no dictionary")
    return content


def attributes_of(model: str, modality: str, stimuli: str, units: str, labels: dict[str, Any]) -> dict[str, Any]:
    """Attributes of generated responses: who made them, what they are measured in, which stimuli were left empty."""
    stated = labels.get(STATED_KEY, {})
    known = {"model": model, "modality": modality, "stimuli": stimuli, "simulated": int(stated.get("simulated", 0))}
    known |= {name: value for name, value in stated.items() if name.startswith(ROUNDING)}
    measured = stated.get("response_units", units)
    if measured != "unknown":
        known["response_units"] = measured
    skipped = labels.get(OWN_LABELS, {}).get(SKIPPED)
    return known | ({"skipped": str(skipped)} if skipped else {})


def has_place(metadata: dict[str, Any]) -> bool:
    """Whether metadata say where in the brain the units lie."""
    fmri = metadata.get("fmri")
    return fmri is None or "roi_mask_volume" in fmri or "lh_ncsnr" in fmri


def bare_units(shape: tuple[int, ...], roi: str | None) -> xr.Dataset:
    """Units of responses that no metadata describe: numbers alone.

    Examples
    --------
    >>> dict(bare_units((73_000, 3), "V1").sizes)
    {'unit': 3, 'roi': 1}
    """
    from braincodec.responses import build_sensor_units, build_units

    if len(shape) == 4:
        _, repetitions, channels, times = shape
        return build_sensor_units([str(number) for number in range(channels)], np.arange(times), repetitions)
    return build_units(rois={roi or "all": np.ones(shape[1], bool)})


def stimulus_ids(imageset: str, count: int, labels: dict[str, Any]) -> np.ndarray:
    """Ids of an image set's rows: those of our own labels, else paths for THINGS, numbers from 0 for the others.

    Examples
    --------
    >>> stimulus_ids("nsd", 2, {}).tolist()
    ['nsd-00000', 'nsd-00001']
    """
    with content_of(f"labels of {imageset}"):
        own = labels.get(OWN_LABELS, {}).get(STIMULUS_IDS)
        paths = image_paths(imageset, labels) if own is None else [str(name) for name in own]
    if paths is None:
        return np.asarray([f"{imageset}-{number:05d}" for number in range(count)])
    if len(paths) != count:
        raise DamagedFileError(f"the labels of {imageset} name {len(paths)} images, the responses have {count} rows")
    return np.asarray(paths)


def images_place(folder: Folder, imageset: str) -> str:
    """Where a folder keeps the images of a set: beside its responses, whichever of the two names their place has.

    Where there are none, the place in which NED's own folder has them.
    """
    places = [f"{place}/imagesets/imageset-{imageset}" for place in PLACES]
    return next((place for place in places if folder.names(place)), places[0])


def open_imageset(folder: Folder, imageset: str, ids: np.ndarray) -> StimulusSet:
    """The images behind generated responses; row i of the responses belongs to image i.

    Those of imagenet_val lie in torchvision's order (sorted by class folder, then by name) and were cropped to their
    central square before they were encoded: so do our encoders of the published models.

    Raises
    ------
    MissingFileError
        When the images are not in the folder; says where they belong.
    """
    place = images_place(folder, imageset)
    if imageset == "nsd":
        path = folder.local(f"{place}/nsd_stimuli.hdf5", "images of NSD", "get nsd_stimuli.hdf5 from the NSD")
        return StimulusSet.from_hdf5(path, dataset="imgBrick", ids=ids)
    root = folder.local_folder(place, f"images of {imageset}")
    if imageset == "things":
        lower = len(ids) > 0 and not (root / ids[0]).exists() and (root / THINGS_FOLDER / ids[0]).exists()
        below = root / THINGS_FOLDER if lower else root
        return StimulusSet.from_paths([below / name for name in ids], ids=ids)
    return StimulusSet.open(root, ids=ids)
