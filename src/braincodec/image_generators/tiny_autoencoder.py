"""Small convolutional autoencoders of the TAESD family (TAESD, TAESD3, TAEF1, TAEF2; diffusers' AutoencoderTiny).

The names and shapes of the weights tell the network: its numbers count the layers of a sequence, in which layers
without weights leave gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import nn

from braincodec.errors import InputValueError
from braincodec.image_generators.autoencoder import Autoencoder

BOUND = 3.0  # latents beyond it saturate before they are decoded
MOST_LAYERS = 200
POOL_GROUPS = 4  # of the group norm inside a block's `pool`

Shapes = dict[str, tuple[int, ...]]
Gap = Callable[[int, dict[int, Shapes]], nn.Module]
HALVES = ("encoder", "decoder")


class TinyAutoencoder(Autoencoder):
    """Images to latents and back.

    Parameters
    ----------
    encoder, decoder : nn.Sequential or None
        Without an encoder it only decodes.

    Examples
    --------
    >>> def conv(given, width, bias=True):
    ...     return {"weight": torch.zeros(width, given, 3, 3), **({"bias": torch.zeros(width)} if bias else {})}
    >>> layers = {"encoder.0": conv(3, 8), "encoder.1": conv(8, 8, False), "encoder.2": conv(8, 4),
    ...           "decoder.1": conv(4, 8), "decoder.4": conv(8, 8, False), "decoder.5": conv(8, 3)}
    >>> network = TinyAutoencoder.from_tensors(
    ...     {f"{layer}.{name}": value for layer, weights in layers.items() for name, value in weights.items()}
    ... )
    >>> network.patch, network.encode(torch.zeros(1, 3, 6, 8)).shape, network.decode(torch.zeros(1, 4, 3, 4)).shape
    (2, torch.Size([1, 4, 3, 4]), torch.Size([1, 3, 6, 8]))
    """

    def __init__(self, encoder: nn.Sequential | None, decoder: nn.Sequential) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.settings = {}
        self.patch = 2 ** sum(isinstance(layer, nn.Upsample) for layer in decoder)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], source: str = "the weights") -> Self:
        """The network of weights named ``encoder.0.weight`` or, by diffusers, ``encoder.layers.0.weight``.

        Parameters
        ----------
        tensors : mapping of str to torch.Tensor
            The encoder's may be left out.
        source : str
            For messages.

        Raises
        ------
        InputValueError
            When they are no such network; the first names that do not belong to it are listed.
        """
        short = {name.replace(".layers.", ".", 1): value for name, value in tensors.items()}
        # diffusers clamps outside of the sequence, so its decoder starts one earlier
        if "decoder.0.weight" in short:
            short = {_later(name): value for name, value in short.items()}
        shapes = {name: tuple(value.shape) for name, value in short.items()}
        parts = {half: _part(shapes, half) for half in HALVES}
        try:
            with torch.device("meta"):
                encoder = _sequence(parts["encoder"], _encoder_gap) if parts["encoder"] else None
                network = cls(encoder, _sequence(parts["decoder"], _decoder_gap))
            expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        except (KeyError, IndexError, ValueError) as error:
            raise InputValueError(f"{source}: no autoencoder of the TAESD family: {_named(shapes)}") from error
        if expected != shapes:
            differing = [name for name in {**shapes, **expected} if shapes.get(name) != expected.get(name)]
            raise InputValueError(
                f"{source}: no autoencoder of the TAESD family; first that differ: {_named(differing)}"
            )
        network.load_state_dict({name: value.float() for name, value in short.items()}, assign=True)
        return network.requires_grad_(False).eval()

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, height, width), values in 0..1, to latents (batch, channels, rows, columns)."""
        if self.encoder is None:
            raise InputValueError("this autoencoder was stored without its encoder; give both files to fit it anew")
        return self.encoder(images)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (batch, channels, rows, columns) to images (batch, 3, height, width)."""
        return self.decoder(latents)

    def decoder_tensors(self) -> dict[str, torch.Tensor]:
        """Weights of the decoder."""
        return {f"decoder.{name}": value for name, value in self.decoder.state_dict().items()}


class Clamp(nn.Module):
    """A soft bound."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values between -3 and 3."""
        return BOUND * torch.tanh(x / BOUND)


class Block(nn.Module):
    """Three convolutions around a shortcut.

    Parameters
    ----------
    given, width : int
        Channels that come in, and that go out.
    hidden : int or None
        Channels of a pooling step over all places before it; None where there is none.
    """

    def __init__(self, given: int, width: int, hidden: int | None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (given, width, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        self.conv = nn.Sequential(*layers[:-1])
        self.skip = nn.Identity() if given == width else nn.Conv2d(given, width, 1, bias=False)
        if hidden is not None:
            self.pool: nn.Sequential | None = nn.Sequential(
                nn.Conv2d(given, hidden, 1, bias=False),
                nn.GroupNorm(POOL_GROUPS, hidden),
                nn.ReLU(),
                nn.Conv2d(hidden, given, 1, bias=False),
            )
        else:
            self.pool = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, given, height, width) to (batch, width, height, width)."""
        if self.pool is not None:
            x = x + self.pool(x)
        return F.relu(self.conv(x) + self.skip(x))


def _later(name: str) -> str:
    half, number, rest = name.split(".", 2)
    return f"{half}.{int(number) + 1}.{rest}" if half == "decoder" and number.isdigit() else name


def _part(shapes: Shapes, half: str) -> dict[int, Shapes]:
    """Weights of one half by the number of their layer."""
    layers: dict[int, Shapes] = {}
    for name, shape in shapes.items():
        first, _, rest = name.partition(".")
        number, _, weight = rest.partition(".")
        if first == half and number.isdigit():
            layers.setdefault(int(number), {})[weight] = shape
    return layers


def _sequence(layers: dict[int, Shapes], gap: Gap) -> nn.Sequential:
    """The layers from their weights; `gap` gives those without weights, by their number and the layers."""
    last = max(layers)
    if last > MOST_LAYERS:
        raise ValueError(last)
    built: list[nn.Module] = []
    for number in range(last + 1):
        if number not in layers:
            built.append(gap(number, layers))
            continue
        shapes = layers[number]
        if "conv.0.weight" in shapes:
            width, given = shapes["conv.0.weight"][:2]
            built.append(Block(given, width, shapes.get("pool.0.weight", (None,))[0]))
        else:
            width, given = shapes["weight"][:2]
            stride = 2 if gap is _encoder_gap and 0 < number < last else 1
            outer = number in (min(layers), last)  # those that change the size have no bias
            built.append(nn.Conv2d(given, width, 3, stride=stride, padding=1, bias=outer))
    return nn.Sequential(*built)


def _encoder_gap(number: int, layers: dict[int, Shapes]) -> nn.Module:
    raise KeyError(number)


def _decoder_gap(number: int, layers: dict[int, Shapes]) -> nn.Module:
    first = min(layers)
    if number < first:
        return Clamp()
    return nn.ReLU() if number == first + 1 else nn.Upsample(scale_factor=2)


def _named(names: Iterable[str]) -> str:
    found = [repr(name) for name in names]
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
