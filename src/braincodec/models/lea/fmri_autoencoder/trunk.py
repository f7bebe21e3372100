"""A pre-trained trunk on disk, with the embeddings of the subjects that it was trained on; no pickle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from braincodec.atomic import atomic_path, refuse_other_folder
from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.responses.coordinates import package_version
from braincodec.tensor_file import write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braincodec.datasets.base import Recording

    Weights = dict[str, torch.Tensor]

FORMAT, FORMAT_VERSION = "braincodec-fmri-autoencoder", 1
CONFIG, WEIGHTS = "config.json", "model.safetensors"
# weights and buffers that depend on a subject's voxels
REGIONAL = ("patch_embed.", "channel_mapper.")
POSITIONS = ("pos_embed", "decoder_pos_embed")


class PretrainedSubject(Config):
    """One of the subjects that a trunk was trained on.

    Attributes
    ----------
    name : str
        ``"<data set>/<subject>"``.
    regions : tuple of str
    voxels : tuple of int
        Of each region.
    patterns : int
        Training patterns.
    """

    name: str
    regions: tuple[str, ...]
    voxels: tuple[int, ...]
    patterns: int


class TrunkConfig(Config):
    """What ``config.json`` holds.

    Attributes
    ----------
    sizes : dict
        Of `FMRIAutoencoderConfig`, without `voxels`.
    stimuli : dict of str to tuple of str
        Training stimuli of each data set; those that chose the epoch are among them.
    """

    format: str
    format_version: int
    package_version: str
    sizes: dict[str, Any]
    subjects: tuple[PretrainedSubject, ...]
    stimuli: dict[str, tuple[str, ...]]
    settings: dict[str, Any]
    curve: tuple[dict[str, Any], ...]
    best_epoch: int
    weights_sha256: str


class Trunk(NamedTuple):
    """A trunk as training starts from it.

    Parameters
    ----------
    config : FMRIAutoencoderConfig
        Its voxels are those of one of the embeddings.
    weights : dict of str to torch.Tensor
    embeddings : dict of str to (voxels, weights)
        By name of the subject; under ``""`` where it is not known whose.
    """

    config: FMRIAutoencoderConfig
    weights: Weights
    embeddings: dict[str, tuple[tuple[int, ...], Weights]]

    def network(self, subject: str) -> FMRIAutoencoder:
        """Trunk and embeddings of one subject, in evaluation mode."""
        voxels, own = self.embeddings[subject]
        network = FMRIAutoencoder(self.config.model_copy(update={"voxels": voxels}))
        network.load_state_dict(network.state_dict() | self.weights | own)
        return network.eval()


def trunk_of(network: FMRIAutoencoder) -> Trunk:
    """Trunk and embeddings of a network, as copies."""
    state = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    own = {name: tensor for name, tensor in state.items() if name.startswith(REGIONAL)}
    shared = {name: tensor for name, tensor in state.items() if name not in own and name not in POSITIONS}
    return Trunk(network.config, shared, {"": (network.config.voxels, own)})


def trunk_shapes(config: FMRIAutoencoderConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights that do not depend on a subject's voxels."""
    with torch.device("meta"):
        state = FMRIAutoencoder(config).state_dict()
    shared = {name: tuple(tensor.shape) for name, tensor in state.items() if not name.startswith(REGIONAL)}
    return {name: shape for name, shape in shared.items() if name not in POSITIONS}


def load_trunk(path: str | Path, subject: str | None = None) -> FMRIAutoencoder:
    """An autoencoder from a pre-trained folder, or from a published checkpoint.

    Parameters
    ----------
    path : str or Path
        What `pretrain_fmri_autoencoder` wrote, or a checkpoint of LEA's fMRI autoencoder.
    subject : str, optional
        Whose embeddings the trunk comes with, ``"<data set>/<subject>"``; `FMRIAutoencoder.sharing_trunk` gives it
        those of other voxels. Default: the first subject's.

    Returns
    -------
    FMRIAutoencoder
        On the CPU, float32, in evaluation mode.

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
        When it is absent, not whole, or asks for code to be run.
    UnknownNameError
        When the trunk was not trained on that subject.
    InputValueError
        When it holds another network; the first names that differ are listed.
    """
    trunk = read_trunk(path)
    if subject is not None and subject not in trunk.embeddings:
        known = [name for name in trunk.embeddings if name]
        raise UnknownNameError("subject", subject, known, where=f"of the trunk {path}")
    return trunk.network(next(iter(trunk.embeddings)) if subject is None else subject)


def read_trunk(path: str | Path) -> Trunk:
    """Weights of a pre-trained folder or a published checkpoint; errors as `load_trunk` says."""
    from braincodec.models.lea.checkpoints import load_fmri_autoencoder, shape_differences

    path = Path(path).expanduser()
    if not path.is_dir():
        return trunk_of(load_fmri_autoencoder(path))
    about, tensors = read_trunk_config(path), _tensors(path)
    trunk, embeddings = dict(tensors), {}
    for number, subject in enumerate(about.subjects):
        prefix = f"subjects.{number}."
        names = [name for name in trunk if name.startswith(prefix)]
        embeddings[subject.name] = subject.voxels, {name.removeprefix(prefix): trunk.pop(name) for name in names}
    config = FMRIAutoencoderConfig.parse({**about.sizes, "voxels": about.subjects[0].voxels})
    for name, (voxels, own) in embeddings.items():
        with torch.device("meta"):
            network = FMRIAutoencoder(config.model_copy(update={"voxels": voxels}))
        expected = {n: tuple(t.shape) for n, t in network.state_dict().items() if n not in POSITIONS}
        found = {n: tuple(t.shape) for n, t in (trunk | own).items()}
        if found != expected:
            raise DamagedFileError(
                f"{path}: the weights for {name} are not those of its settings: {shape_differences(found, expected)}"
            )
    return Trunk(config, trunk, embeddings)


def read_trunk_config(path: str | Path) -> TrunkConfig:
    """What a pre-trained folder says of itself.

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    file = Path(path).expanduser() / CONFIG
    if not file.is_file():
        raise MissingFileError(file, "settings of a pre-trained fMRI autoencoder")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise DamagedFileError(f"{path} is no pre-trained fMRI autoencoder: {CONFIG} says nothing of {FORMAT!r}")
        if content.get("format_version") != FORMAT_VERSION:
            raise DamagedFileError(
                f"{path} is of format version {content.get('format_version')}; this version reads {FORMAT_VERSION}"
            )
        about = TrunkConfig.parse(content)
    except DamagedFileError:
        raise
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{file} cannot be read: {error}") from error
    if not about.subjects:
        raise DamagedFileError(f"{file} names no subject")
    return about


def refuse_seen_by_trunk(path: str | Path, recording: Recording) -> None:
    """Raise where a recording holds out stimuli whose responses have trained a trunk.

    A published checkpoint does not say what it was trained on, so nothing can be refused.

    Parameters
    ----------
    path : str or Path
        As for `load_trunk`.
    recording : Recording

    Raises
    ------
    InputValueError
    """
    if not Path(path).expanduser().is_dir():
        return
    trained = set(read_trunk_config(path).stimuli.get(recording.dataset, ()))
    for part in ("validation", "test"):
        seen = [item for item in recording.split.ids(part) if item in trained]
        if seen:
            raise InputValueError(
                f"{len(seen)} {part} stimuli of {recording.dataset}, subject {recording.subject}, trained the trunk "
                f"{path}, the first is {seen[0]!r}; pre-train it under this split"
            )


def write_trunk(
    path: Path, networks: Mapping[str, FMRIAutoencoder], about: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """Write networks that share a trunk; the folder appears whole or not at all.

    Parameters
    ----------
    path : Path
    networks : mapping of name to FMRIAutoencoder
        In the order of the subjects that `about` describes.
    about : mapping
        The other entries of `TrunkConfig`.
    overwrite : bool

    Raises
    ------
    OutputError
    """
    parts = [trunk_of(network) for network in networks.values()]
    tensors = dict(parts[0].weights)
    for number, part in enumerate(parts):
        tensors |= {f"subjects.{number}.{name}": tensor for name, tensor in part.embeddings[""][1].items()}
    if overwrite:
        refuse_other_folder(path, CONFIG, "pre-trained fMRI autoencoder")
    with atomic_path(path, overwrite=overwrite) as folder:
        folder.mkdir()
        write_tensors(folder / WEIGHTS, tensors)
        config = TrunkConfig.parse(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "package_version": package_version(),
                "sizes": parts[0].config.model_dump(mode="json", exclude={"voxels"}),
                "weights_sha256": _sha256(folder / WEIGHTS),
                **about,
            }
        )
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _tensors(path: Path) -> Weights:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = path / WEIGHTS
    if not file.is_file():
        raise MissingFileError(file, "weights of a pre-trained fMRI autoencoder")
    if _sha256(file) != read_trunk_config(path).weights_sha256:
        raise DamagedFileError(f"{file} is not as it was written: its checksum differs from that in {CONFIG}")
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise DamagedFileError(f"{file} cannot be read: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
