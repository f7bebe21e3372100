"""Gaussian receptive fields over feature maps, as pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Nonlinearity = Literal["none", "absolute", "relu6"]


def gaussian_windows(fields: torch.Tensor, height: int, width: int, visual_angle: float) -> torch.Tensor:
    """Gaussian receptive fields on a grid of map positions.

    Parameters
    ----------
    fields : torch.Tensor, shape (units, 3)
        Centre x (right), centre y (up) and standard deviation, in degrees from the image's centre.
    height, width : int
        Size of the map, which covers the whole image; pixels are square.
    visual_angle : float
        Width of the image in degrees.

    Returns
    -------
    torch.Tensor, shape (units, height * width)
        Rows sum to one, also where a receptive field is smaller than a position or lies outside the image.

    Examples
    --------
    >>> import torch
    >>> windows = gaussian_windows(torch.tensor([[-2.0, 2.0, 0.1]]), 4, 4, visual_angle=8.0)
    >>> windows.reshape(4, 4)[:2, :2]  # upper left: shared by the four positions around it
    tensor([[0.2500, 0.2500],
            [0.2500, 0.2500]])
    """
    import torch

    step = visual_angle / width
    x = (torch.arange(width, device=fields.device) + 0.5 - width / 2) * step
    y = (height / 2 - torch.arange(height, device=fields.device) - 0.5) * step
    # a Gaussian is separable; the soft maximum keeps rows finite far outside the image
    across, down = ((axis - centre[:, None]) for axis, centre in ((x, fields[:, 0]), (y, fields[:, 1])))
    scale = -0.5 / fields[:, 2, None] ** 2
    across, down = (scale * across**2).softmax(1), (scale * down**2).softmax(1)
    return (down[:, :, None] * across[:, None, :]).flatten(1)  # (units, height * width)


def apply_nonlinearity(maps: torch.Tensor, nonlinearity: Nonlinearity) -> torch.Tensor:
    """Rectify maps: not at all, ``abs``, or clip to 0..6."""
    if nonlinearity == "absolute":
        return maps.abs()
    return maps.clamp(0, 6) if nonlinearity == "relu6" else maps


def pooled_readout(maps: torch.Tensor, windows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Pool maps by each unit's window and weigh the channels.

    Parameters
    ----------
    maps : torch.Tensor, shape (batch, channels, height, width)
    windows : torch.Tensor, shape (units, height * width)
    weight : torch.Tensor, shape (units, channels)

    Returns
    -------
    torch.Tensor, shape (batch, units)
    """
    flat = maps.flatten(2)  # (batch, channels, positions)
    if flat.shape[1] <= flat.shape[2]:
        return ((flat @ windows.T) * weight.T).sum(1)  # pool first: (batch, channels, units)
    return ((flat.transpose(1, 2) @ weight.T) * windows.T).sum(1)  # weigh first: (batch, positions, units)


def window_slopes(fields: torch.Tensor, height: int, width: int, visual_angle: float) -> torch.Tensor:
    """Windows, and how they change as the receptive field moves and grows.

    Parameters
    ----------
    fields, height, width, visual_angle
        As for `gaussian_windows`.

    Returns
    -------
    torch.Tensor, shape (units, 4, height * width)
        The window; its derivatives by x and by y in standard deviations, and by the logarithm of the size.

    Examples
    --------
    >>> import torch
    >>> slopes = window_slopes(torch.tensor([[0.0, 0.0, 1.0]]), 4, 4, visual_angle=8.0)
    >>> slopes[0, 1].reshape(4, 4)[1] > 0  # moving right: less on the left, more on the right
    tensor([False, False,  True,  True])
    """
    import torch

    window = gaussian_windows(fields, height, width, visual_angle)
    step = visual_angle / width
    x = ((torch.arange(width, device=fields.device) + 0.5 - width / 2) * step - fields[:, :1]) / fields[:, 2:]
    y = ((height / 2 - torch.arange(height, device=fields.device) - 0.5) * step - fields[:, 1:2]) / fields[:, 2:]
    across = x[:, None, :].expand(-1, height, -1).flatten(1)  # (units, positions)
    down = y[:, :, None].expand(-1, -1, width).flatten(1)
    places = torch.stack([across, down, across**2 + down**2], dim=1)  # (units, 3, positions)
    # a window sums to one, so what it gains in one place it loses in another
    places = places - (places * window[:, None]).sum(2, keepdim=True)
    return torch.cat([window[:, None], window[:, None] * places], dim=1)
