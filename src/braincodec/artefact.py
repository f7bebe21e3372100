"""One trained model on disk: settings, weights, units, card and checksums, no pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec import __version__
from braincodec.atomic import atomic_path
from braincodec.card import model_card
from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.models.base import MODELS, Encoder, ModelDescription

if TYPE_CHECKING:
    import torch
    import xarray as xr

FORMAT = "braincodec-artefact"
FORMAT_VERSION = 1
CONFIG, WEIGHTS, UNITS, CARD, CHECKSUMS = "config.json", "model.safetensors", "units.nc", "README.md", "checksums.json"
FILES = (CONFIG, WEIGHTS, UNITS, CARD)


class ArtefactConfig(Config):
    """What ``config.json`` holds."""

    format: str
    format_version: int
    package_version: str
    kind: str
    rois: tuple[str, ...] = ()
    model: dict[str, Any]
    description: ModelDescription


@dataclass(frozen=True)
class Artefact:
    """The parts of one trained model as read from `path`."""

    path: Path
    config: ArtefactConfig
    tensors: dict[str, torch.Tensor]
    units: xr.Dataset
    card: str

    def encoder(self) -> Encoder:
        """The encoder that the parts make up."""
        kind: type[Encoder] = MODELS.get(self.config.kind)
        return kind(self.config.model, self.tensors, self.units, self.config.description)


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
    """
    from safetensors.torch import save_file

    path = Path(path)
    config = ArtefactConfig(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        package_version=__version__,
        kind=encoder.kind,
        rois=tuple(encoder.units["roi"].values.astype(str).tolist()) if "roi" in encoder.units.coords else (),
        model=encoder.config.model_dump(mode="json"),
        description=with_accuracy(encoder),
    )
    with atomic_path(path, overwrite=overwrite) as folder:
        folder.mkdir()
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.tensors().items()}
        try:
            save_file(tensors, folder / WEIGHTS)
        except OSError:
            raise
        except Exception as error:
            # safetensors reports a full disk by an exception of its own, which is no OSError
            raise OSError(str(error)) from error
        encoder.units.to_netcdf(folder / UNITS, engine="h5netcdf")
        (folder / CARD).write_text(model_card(encoder), encoding="utf-8")
        sums = {name: sha256_of(folder / name) for name in FILES}
        (folder / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
    return path


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
    verify : bool
        Compare every file with ``checksums.json`` first.

    Raises
    ------
    MissingFileError
        When the folder or one of its files is absent.
    DamagedFileError
        When a checksum differs or a file cannot be parsed.
    """
    import xarray as xr
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    for name in (*FILES, CHECKSUMS):
        if not (path / name).is_file():
            raise MissingFileError(path / name, "file of an artefact", "fetch or save the model again")
    if verify:
        verify_checksums(path)
    config = _read_config(path / CONFIG)
    try:
        tensors = load_file(path / WEIGHTS)
        with xr.open_dataset(path / UNITS, engine="h5netcdf") as file:
            units = file.load()
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise DamagedFileError(f"{path} is damaged: {error}; fetch or save the model again") from error
    if "roi_membership" in units:
        units["roi_membership"] = units["roi_membership"].astype(bool)
    return Artefact(path, config, tensors, units, (path / CARD).read_text(encoding="utf-8"))


def read_encoder(path: str | Path, *, verify: bool = True) -> Encoder:
    """The encoder stored in the artefact folder `path`."""
    return read_artefact(path, verify=verify).encoder()


def _read_config(path: Path) -> ArtefactConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path} is not valid JSON: {error}") from error
    config = ArtefactConfig.parse(values)
    if config.format != FORMAT or config.format_version > FORMAT_VERSION:
        raise InputValueError(
            f"{path} is {config.format} version {config.format_version}; this braincodec {__version__} reads "
            f"{FORMAT} up to version {FORMAT_VERSION}; update braincodec"
        )
    return config


def verify_checksums(path: Path) -> None:
    """Raise `DamagedFileError` when a file of the artefact differs from its checksum."""
    try:
        sums = json.loads((path / CHECKSUMS).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path / CHECKSUMS} is not valid JSON: {error}") from error
    for name in FILES:
        if name not in sums:
            raise DamagedFileError(f"{path / CHECKSUMS} lacks {name}; fetch or save the model again")
        if sha256_of(path / name) != sums[name]:
            raise DamagedFileError(f"{path / name} differs from its checksum; fetch or save the model again")


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
