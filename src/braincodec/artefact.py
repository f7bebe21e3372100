"""One trained model on disk: settings, weights, units, card and checksums, no pickle."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec import __version__
from braincodec.atomic import atomic_path, refuse_other_folder
from braincodec.card import model_card
from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError
from braincodec.models.base import MODELS, Encoder
from braincodec.models.description import ModelDescription
from braincodec.responses.checks import check_attrs, plain_strings
from braincodec.tensor_file import write_tensors

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from braincodec.features.backbone import Backbone

FORMAT = "braincodec-artefact"
FORMAT_VERSION = 1
CONFIG, WEIGHTS, UNITS, CARD, CHECKSUMS = "config.json", "model.safetensors", "units.nc", "README.md", "checksums.json"
FILES = (CONFIG, WEIGHTS, UNITS, CARD)
# where the artefacts of a store lie below it
PLACES = ("*/subject-*", "*/subject-*/roi-*")
MOST_NAMED = 5


class ArtefactConfig(Config):
    """What ``config.json`` holds."""

    format: str
    format_version: int
    package_version: str
    kind: str
    rois: tuple[str, ...] = ()
    model: dict[str, Any]
    description: ModelDescription


@dataclass(frozen=True, repr=False)
class Artefact:
    """The parts of one trained model as read from `path`."""

    path: Path
    config: ArtefactConfig
    tensors: dict[str, torch.Tensor]
    units: xr.Dataset
    card: str

    def __repr__(self) -> str:
        values = sum(tensor.numel() for tensor in self.tensors.values())
        return (
            f"<Artefact {str(self.path)!r}: {self.config.description.model}, kind {self.config.kind}, "
            f"{len(self.tensors):,} tensors of {values:,} values>"
        )

    def encoder(self, backbone: Backbone | None = None) -> Encoder:
        """The encoder that the parts make up.

        Parameters
        ----------
        backbone : Backbone, optional
            For a network of your own, which the artefact's name for it may not import.

        Raises
        ------
        InputValueError
            When the parts do not fit together; names the artefact.
        """
        try:
            kind: type[Encoder] = MODELS.get(self.config.kind)
            return kind.from_parts(self.config.model, self.tensors, self.units, self.config.description, backbone)
        except MissingFileError:  # of a network that is not stored with the model
            raise
        except (InputValueError, InputTypeError) as error:
            raise DamagedFileError(f"{self.path} holds no model that can be run: {error}") from error


def write_artefact(path: str | Path, encoder: Encoder, *, overwrite: bool = False) -> Path:
    """Write `encoder` as the artefact folder `path`; the folder appears whole or not at all.

    Parameters
    ----------
    path : str or Path
    encoder : Encoder
    overwrite : bool
        Replace an existing folder.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        When the folder exists or the disk is full.
    InputValueError
        When it is a `JointEncoder`: its members are saved one by one.
    """
    path = Path(path)
    if encoder.kind not in MODELS:
        raise InputValueError(f"a {encoder.kind} encoder is not saved as one artefact; save its members one by one")
    config = ArtefactConfig(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        package_version=__version__,
        kind=encoder.kind,
        rois=tuple(encoder.units["roi"].values.astype(str).tolist()) if "roi" in encoder.units.coords else (),
        model=encoder.config.model_dump(mode="json"),
        description=with_accuracy(encoder),
    )
    if overwrite:
        refuse_other_folder(path, CONFIG, "artefact")
    with atomic_path(path, overwrite=overwrite) as folder:
        folder.mkdir()
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        _write_tensors(folder / WEIGHTS, encoder.tensors())
        _write_units(folder / UNITS, encoder.units)
        (folder / CARD).write_text(model_card(encoder), encoding="utf-8")
        sums = {name: sha256_of(folder / name) for name in FILES}
        (folder / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
    return path


def _write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    plain, storages = {}, set()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        place = own.untyped_storage().data_ptr()
        # the format holds each tensor by itself: views of one storage are copied
        plain[name] = own.clone() if place in storages or own.untyped_storage().nbytes() > own.nbytes else own
        storages.add(place)
    write_tensors(path, plain)


def _write_units(path: Path, units: xr.Dataset) -> None:
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    # in memory first: the HDF5 library can crash the process when a disk is full
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        units.drop_encoding().assign_attrs(check_attrs(units.attrs)).dump_to_store(H5NetCDFStore(file))
    path.write_bytes(buffer.getbuffer())


def _read_units(path: Path) -> xr.Dataset:
    import xarray as xr

    # numbers stay numbers: the axis `time` counts seconds from stimulus onset
    with xr.open_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False) as file:
        units = file.load().drop_encoding()
    for name, variable in units.variables.items():
        if variable.dtype.kind in "OT":
            units = units.assign({name: (variable.dims, plain_strings(variable.values), variable.attrs)})
    if "roi_membership" in units:
        units["roi_membership"] = units["roi_membership"].astype(bool)
    return units.assign_attrs(check_attrs(units.attrs))


def with_accuracy(encoder: Encoder) -> ModelDescription:
    """The encoder's description with its median accuracy, taken from the units where it is not stated."""
    description = encoder.description
    for name in ("accuracy_noise_normalised", "accuracy_correlation"):
        if description.accuracy is None and name in encoder.units:
            values = np.asarray(encoder.units[name].values, float)
            if np.isfinite(values).any():
                return description.model_copy(update={"accuracy": float(np.nanmedian(values))})
    return description


def read_artefact(path: str | Path, *, verify: bool = True) -> Artefact:
    """Read the artefact folder `path`.

    Parameters
    ----------
    path : str or Path
        The folder of a store or a training run is taken too where it holds one artefact.
    verify : bool
        Compare every file with ``checksums.json`` first.

    Raises
    ------
    MissingFileError
        When the folder or one of its files is absent.
    DamagedFileError
        When a checksum differs or a file cannot be parsed.
    InputValueError
        When the folder holds several.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found = artefact_folders(path)
    if len(found) > 1:
        names = ", ".join(str(folder.relative_to(path)) for folder in found[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise InputValueError(f"{path} holds {len(found)} models: {names}{more}; choose one, or use open_store")
    path = found[0] if found else Path(path)
    for name in (*FILES, CHECKSUMS):
        if not (path / name).is_file():
            raise MissingFileError(path / name, "file of an artefact", "fetch or save the model again")
    if verify:
        verify_checksums(path)
    config = read_config(path / CONFIG)
    name = WEIGHTS
    try:
        tensors = load_file(path / WEIGHTS)
        name = UNITS
        units = _read_units(path / UNITS)
        name = CARD
        card = (path / CARD).read_text(encoding="utf-8")
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise DamagedFileError(f"{path / name} is damaged: {error}; fetch or save the model again") from error
    return Artefact(path, config, tensors, units, card)


def artefact_folders(path: str | Path) -> list[Path]:
    """Folders of artefacts: `path` itself where it is one, or those below it where it is a store.

    Raises
    ------
    MissingFileError
        When `path` is no folder.
    """
    path = Path(path)
    if not path.is_dir():
        raise MissingFileError(path, "artefact")
    if (path / CONFIG).is_file():
        return [path]
    return sorted(file.parent for place in PLACES for file in path.glob(f"{place}/{CONFIG}"))


def read_encoder(path: str | Path, *, verify: bool = True, backbone: Backbone | None = None) -> Encoder:
    """The encoder stored in the artefact folder `path`; see `Encoder.load`."""
    return read_artefact(path, verify=verify).encoder(backbone)


def read_config(path: Path) -> ArtefactConfig:
    """Settings of an artefact from its ``config.json``, without its weights.

    Raises
    ------
    InputValueError, DamagedFileError
        When a newer version wrote it, or it is none.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DamagedFileError(f"{path} is not the config.json of a {FORMAT}")
    version = values.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:  # its keys may be unknown here
        raise InputValueError(
            f"{path} has format version {version}, written by braincodec {values.get('package_version')}; "
            f"this braincodec {__version__} reads up to version {FORMAT_VERSION}: update braincodec"
        )
    try:
        return ArtefactConfig.parse(values)
    except InputValueError as error:
        raise DamagedFileError(f"{path}: {error}") from error


def verify_checksums(path: Path) -> None:
    """Raise `DamagedFileError` when a file of the artefact differs from its checksum."""
    try:
        sums = json.loads((path / CHECKSUMS).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path / CHECKSUMS} is not valid JSON: {error}") from error
    if not isinstance(sums, dict):
        raise DamagedFileError(f"{path / CHECKSUMS} is no table of checksums; fetch or save the model again")
    for name in FILES:
        if name not in sums:
            raise DamagedFileError(f"{path / CHECKSUMS} lacks {name}; fetch or save the model again")
        if sha256_of(path / name) != sums[name]:
            raise DamagedFileError(f"{path / name} differs from its checksum; fetch or save the model again")


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
