"""Feature maps of the training stimuli, pooled by any number of receptive fields in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from braincodec.memory import TILE_BYTES, free_main_memory
from braincodec.models.gaussian_fwrf.windows import Nonlinearity, apply_nonlinearity, gaussian_windows

if TYPE_CHECKING:
    from braincodec.features import FeatureCache
    from braincodec.models.gaussian_fwrf.grid import Fields

# maps are kept in memory while they take no more of it than this
SHARE_HELD = 0.3
# the search may average neighbouring positions until they are so far apart, in sizes of the smallest field
COARSEST_STEP = 0.75


class Maps:
    """Maps of several layers for the same stimuli, read a block of stimuli at a time.

    Parameters
    ----------
    cache : FeatureCache
        Holds (stimuli, channels, height, width) for each layer.
    nonlinearities : mapping of str to {"none", "absolute", "relu6"}
        For each layer.
    visual_angle : float
        Width of the image in degrees.
    device : torch.device
        Where maps are pooled.

    Attributes
    ----------
    shapes : dict of str to (int, int, int)
        Channels, height and width of each layer.
    stimuli : int
    name : str
        Of the cache, which says what is in it.
    """

    def __init__(
        self,
        cache: FeatureCache,
        nonlinearities: Mapping[str, Nonlinearity],
        visual_angle: float,
        device: torch.device,
    ) -> None:
        self.visual_angle, self.device = visual_angle, device
        self.shapes = {layer: _three(shape) for layer, shape in cache.shapes.items()}
        self.stimuli, self.name = len(cache.ids), cache.path.name
        self._cache, self._nonlinearities = cache, dict(nonlinearities)

    def channels(self, layers: Sequence[str]) -> int:
        """Channels of some layers together."""
        return sum(self.shapes[layer][0] for layer in layers)

    def read(self, layer: str, rows: slice) -> torch.Tensor:
        """Maps of some stimuli after the non-linearity, float32, shape (stimuli, channels, height, width)."""
        maps = torch.as_tensor(np.asarray(self._cache.arrays[layer][rows]), device=self.device).float()
        return apply_nonlinearity(maps, self._nonlinearities[layer])

    def blocks(self, layer: str, each: int = 1) -> Iterator[slice]:
        """Rows to take at a time, so that `each` times one stimulus' maps are a few tens of megabytes."""
        channels, height, width = self.shapes[layer]
        step = max(1, TILE_BYTES // (4 * channels * (height * width + each)))
        for begin in range(0, self.stimuli, step):
            yield slice(begin, min(self.stimuli, begin + step))

    def pool(self, fields: Fields, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Maps averaged under each receptive field.

        Parameters
        ----------
        fields : array, shape (fields, 3)
        layers : sequence of str

        Returns
        -------
        dict of str to Tensor, each of shape (fields, stimuli, channels)
            float32, in main memory.
        """
        wanted = torch.as_tensor(fields, dtype=torch.float32, device=self.device)
        found = {}
        for layer in layers:
            channels, height, width = self.shapes[layer]
            windows = gaussian_windows(wanted, height, width, self.visual_angle).T.contiguous()  # (positions, fields)
            pooled = torch.empty(len(fields), self.stimuli, channels)
            for rows in self.blocks(layer, each=len(fields)):
                maps = self.read(layer, rows).reshape(-1, height * width)
                pooled[:, rows] = (maps @ windows).view(-1, channels, len(fields)).permute(2, 0, 1).cpu()
            found[layer] = pooled
        return found

    def held(self, smallest_size: float) -> Maps:
        """The same maps in memory where they fit, as coarse as fields of this size and larger allow; for searching."""
        factors = {layer: self._factor(shape, smallest_size) for layer, shape in self.shapes.items()}
        sizes = [c * (h // f) * (w // f) for (c, h, w), f in zip(self.shapes.values(), factors.values(), strict=True)]
        numbers, room = self.stimuli * sum(sizes), SHARE_HELD * free_main_memory()
        if 2 * numbers > room:
            return self
        return HeldMaps(self, factors, torch.float32 if 4 * numbers <= room else torch.float16)

    def _factor(self, shape: tuple[int, int, int], smallest_size: float) -> int:
        """By how much maps may be reduced: a divisor of height and width."""
        _, height, width = shape
        most = max(1, int(COARSEST_STEP * smallest_size * width / self.visual_angle))
        return max(factor for factor in range(1, most + 1) if height % factor == width % factor == 0)


class HeldMaps(Maps):
    """Maps in memory, neighbouring positions averaged.

    Parameters
    ----------
    maps : Maps
    factors : dict of str to int
        How many positions along each axis become one.
    dtype : torch.dtype
        As they are held.
    """

    def __init__(self, maps: Maps, factors: Mapping[str, int], dtype: torch.dtype) -> None:
        self.visual_angle, self.device = maps.visual_angle, maps.device
        self.stimuli, self.name = maps.stimuli, maps.name
        self.shapes = {
            layer: (channels, height // factors[layer], width // factors[layer])
            for layer, (channels, height, width) in maps.shapes.items()
        }
        self._held = {layer: torch.empty(self.stimuli, *shape, dtype=dtype) for layer, shape in self.shapes.items()}
        for layer, held in self._held.items():
            for rows in maps.blocks(layer):
                block = maps.read(layer, rows)
                held[rows] = (F.avg_pool2d(block, factors[layer]) if factors[layer] > 1 else block).to(held)

    def read(self, layer: str, rows: slice) -> torch.Tensor:
        """See `Maps.read`."""
        return self._held[layer][rows].to(self.device).float()


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    channels, height, width = shape
    return channels, height, width
