"""Feature maps of the images of all sessions, on disk: of networks, fine-tuned networks, a Gabor bank, and pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import braincodec as bc
from braincodec.datasets import Recording
from braincodec.features import FeatureExtractor, get_backbone
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.copies.groups import near_copy_groups

BACKBONE, GABOR = "efficientnet_lite:0", "gabor:bank"
WHOLE = "whole block"  # maps that are not averaged
SIDE = 7  # maps are averaged to 7 x 7 positions
NATIVE, LARGE = 112, 224  # pixels; images are 112 x 112
BLOCKS = {NATIVE: tuple(range(2, 15)), LARGE: (6, 8, 10, 12, 14)}
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Session:
    """One session: mean responses (image, neuron), groups of near copies, rows of each outer fold, where maps lie."""

    name: str
    responses: np.ndarray
    groups: np.ndarray
    folds: Folds
    folder: Path

    def maps(self, name: str) -> np.ndarray:
        """Maps (image, channel, 7, 7) or as large as they are; `name` is as `block` gives it, or a backbone."""
        return np.load(self.folder / f"{self.name} {name}.npy", mmap_mode="r")


def block(number: int, size: int = NATIVE, network: str = "block") -> str:
    """Name of the maps of one block of the network for images of one size."""
    return f"{network} {number} at {size}"


def prepare(data: bc.Dataset, name: str, folder: Path) -> Session:
    """Read a session and keep the maps of its images in a folder, if they are not there yet."""
    recording = data.subject(name)
    if not (folder / f"{name} done").exists():
        for size, blocks in BLOCKS.items():
            layers = {f"_blocks.{number}": block(number, size) for number in blocks}
            save(folder, name, network_maps(recording.stimuli, BACKBONE, layers, size))
        whole = {"_blocks.4": block(4, NATIVE, WHOLE)}
        save(folder, name, network_maps(recording.stimuli, BACKBONE, whole, NATIVE, side=None))
        gabor = network_maps(recording.stimuli, GABOR, {f"scales.{scale}": f"{scale}" for scale in range(4)}, None)
        pixels = np.stack(list(recording.stimuli)).transpose(0, 3, 1, 2).astype(np.float32)
        save(folder, name, {"gabor": np.concatenate(list(gabor.values()), 1), "pixels": pooled(pixels, 2 * SIDE)})
        (folder / f"{name} done").touch()
    responses = recording.responses
    mean = responses.mean("repetition", skipna=True) if "repetition" in responses.dims else responses
    ids = {item: row for row, item in enumerate(responses["stimulus"].values.tolist())}
    folds = [
        (np.array([ids[item] for item in split.train]), np.array([ids[item] for item in split.test]))
        for split in data.cross_validation(name)
    ]
    return Session(name, mean.values.astype(float), responses["group"].values, folds, folder)


def network_maps(
    stimuli: StimulusSet, backbone: str, layers: Mapping[str, str], size: int | None, side: int | None = SIDE
) -> dict[str, np.ndarray]:
    """Maps of some layers, averaged to at most `side` x `side` positions, under new names."""
    network = get_backbone(backbone)
    settings = {"backbone": backbone, "layers": list(layers), "pooling": "none"}
    if size is not None:
        settings["preprocessing"] = network.preprocessing.model_copy(update={"resize": size})
    extractor = FeatureExtractor(settings, network).prepare()
    found: dict[str, list[np.ndarray]] = {name: [] for name in layers.values()}

    def keep(layer: str, maps: torch.Tensor) -> None:
        values = maps.float().numpy()
        found[layers[layer]].append(values.copy() if side is None else pooled(values, side).copy())

    for batch in stimuli.batches(32, transform=extractor.preprocessing):
        extractor.stream(batch.images, keep)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def pooled(maps: np.ndarray, side: int) -> np.ndarray:
    """Maps averaged to side x side positions; smaller ones stay as they are."""
    if maps.shape[-1] <= side:
        return maps
    return torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(np.array(maps)), side).numpy()


def save(folder: Path, session: str, maps: Mapping[str, np.ndarray]) -> None:
    """Keep maps for `Session.maps`."""
    for name, values in maps.items():
        np.save(folder / f"{session} {name}.npy", values)


def foreign_images(target: Recording, others: Sequence[Recording]) -> list[np.ndarray]:
    """Of each other session, rows of images that are no near copy of an image of the target, by pixels and hashes."""
    sessions = [target, *others]
    pixels = np.concatenate([np.stack(list(one.stimuli)) for one in sessions])
    owner = np.repeat(np.arange(len(sessions)), [len(one.stimuli) for one in sessions])
    groups = near_copy_groups(StimulusSet.open(pixels), progress=False)
    known = np.isin(groups, groups[owner == 0])
    return [np.flatnonzero(~known[owner == number]) for number in range(1, len(sessions))]
