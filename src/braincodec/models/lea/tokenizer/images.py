"""Images for the tokenizer's training: one size, in memory where they fit, read each time where they do not."""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.features.preprocessing import Preprocessing
from braincodec.memory import free_main_memory
from braincodec.models.lea.tokenizer.settings import ImageSize
from braincodec.progress import progress_bar
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.batch import Transform

SHARE_OF_FREE_MEMORY = 0.25  # that images may fill
IMAGES_READ_AT_ONCE = 32
LARGEST = 255.0  # value of a pixel


class TrainingImages:
    """The images of a stimulus set at one size.

    Parameters
    ----------
    stimuli : StimulusSet
    size : int or (int, int), optional
        As `TokenizerSettings.image_size`.
    limit : int, optional
        Bytes that may be held; default: a quarter of the free memory. Beyond it each batch is read anew.
    progress : bool, optional

    Raises
    ------
    InputValueError
        When there is no image, or they have several sizes and none is given.

    Examples
    --------
    >>> images = TrainingImages(StimulusSet.open(np.zeros((5, 8, 6, 3), np.uint8)))
    >>> images.height, images.width, images.pixels(np.array([4, 0])).shape
    (8, 6, torch.Size([2, 3, 8, 6]))
    """

    def __init__(
        self,
        stimuli: StimulusSet,
        size: ImageSize | None = None,
        *,
        limit: int | None = None,
        progress: bool | None = None,
    ) -> None:
        if not len(stimuli):
            raise InputValueError("there are no images; the tokenizer is trained on at least two")
        self._stimuli, self._transform = stimuli, _to_size(size)
        self.height, self.width = self._read(np.array([0])).shape[1:3]
        room = free_main_memory() * SHARE_OF_FREE_MEMORY if limit is None else limit
        self._held: NDArray[np.uint8] | None = None
        if 3 * self.height * self.width * len(stimuli) <= room:
            self._held = self._read_all(progress)
        elif size is None:
            raise InputValueError(
                f"{len(stimuli):,} images do not fit into memory and are read as they are needed; set image_size "
                f"(such as {self.height}), so that all come in one size"
            )

    def __len__(self) -> int:
        return len(self._stimuli)

    def pixels(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """Some images, shape (rows, 3, height, width), uint8, on the CPU."""
        found = self._read(rows) if self._held is None else self._held[rows]
        return torch.from_numpy(found).movedim(-1, 1)

    def _read_all(self, progress: bool | None) -> NDArray[np.uint8]:
        held = np.empty((len(self), self.height, self.width, 3), np.uint8)
        done = 0
        with progress_bar("read images", len(self), show=progress) as advance:
            for batch in self._stimuli.batches(IMAGES_READ_AT_ONCE, transform=self._checked):
                held[done : done + len(batch.ids)] = batch.images
                done += len(batch.ids)
                advance(len(batch.ids))
        return held

    def _checked(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        sized = images if self._transform is None else self._transform(images)
        if sized.shape[1:3] != (self.height, self.width):
            raise InputValueError(
                f"images have several sizes: the first has {self.height} x {self.width} pixels, another "
                f"{sized.shape[1]} x {sized.shape[2]}; set image_size to bring all to one"
            )
        return sized

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        (batch,) = self._stimuli[rows].batches(len(rows), transform=self._transform, prefetch=1)
        return np.asarray(batch.images)


def _to_size(size: ImageSize | None) -> Transform | None:
    if size is None:
        return None
    pair = size if isinstance(size, tuple) else (size, size)
    settings = Preprocessing(square_crop=isinstance(size, int), resize=pair, interpolation="bicubic", divisor=1.0)
    return functools.partial(_resized, settings)


def _resized(settings: Preprocessing, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return settings(images).numpy().astype(np.uint8).transpose(0, 2, 3, 1)


def as_values(pixels: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Pixels of uint8 as float32 in 0..1 on a device.

    Examples
    --------
    >>> as_values(torch.tensor([0, 51, 255], dtype=torch.uint8), torch.device("cpu"))
    tensor([0.0000, 0.2000, 1.0000])
    """
    return pixels.to(device).float() / LARGEST


def varied(pixels: torch.Tensor, generator: torch.Generator, *, flips: bool, crops: float) -> torch.Tensor:
    """Images mirrored and cut out at random.

    Parameters
    ----------
    pixels : torch.Tensor of uint8, shape (batch, 3, height, width)
    generator : torch.Generator
        Of the CPU.
    flips : bool
        Mirror half of them.
    crops : float
        Least height and width of what is cut out, as a share of the image's; brought back to full size.

    Returns
    -------
    torch.Tensor of uint8, shape (batch, 3, height, width)

    Examples
    --------
    >>> row = torch.arange(3, dtype=torch.uint8).expand(1, 3, 1, 3)
    >>> seeded = torch.Generator().manual_seed(1)
    >>> {tuple(varied(row, seeded, flips=True, crops=1)[0, 0, 0].tolist()) for _ in range(9)} == {(0, 1, 2), (2, 1, 0)}
    True
    """
    if flips:
        mirrored = torch.rand(len(pixels), generator=generator) < 0.5
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(-1), pixels)
    if crops == 1:
        return pixels
    height, width = pixels.shape[2:]
    shares, tops, lefts = torch.rand(3, len(pixels), generator=generator).tolist()
    made = []
    for image, share, top, left in zip(pixels, shares, tops, lefts, strict=True):
        rows, columns = (max(1, round((crops + (1 - crops) * share) * side)) for side in (height, width))
        y, x = round(top * (height - rows)), round(left * (width - columns))
        cut = image[None, :, y : y + rows, x : x + columns].float()
        full = F.interpolate(cut, (height, width), mode="bicubic", antialias=True)
        made.append(full.round().clamp(0, LARGEST).byte())
    return torch.cat(made)
