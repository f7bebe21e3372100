"""The Gabor bank."""

from __future__ import annotations

import math

import pytest
import torch

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.features import get_backbone
from braincodec.features.gabor import ORIENTATIONS, SCALES, WAVELENGTH


def grating(angle: float, phase: float = 0.0, size: int = 64) -> torch.Tensor:
    axis = torch.arange(size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    wave = torch.cos(2 * math.pi / WAVELENGTH * (math.cos(angle) * x + math.sin(angle) * y) + phase)
    return (0.5 + 0.5 * wave).expand(1, 3, size, size)


@pytest.mark.parametrize("number", range(ORIENTATIONS))
def test_each_filter_prefers_its_orientation(number):
    energies = get_backbone("gabor:bank").module(grating(math.pi * number / ORIENTATIONS))[0]
    assert int(energies[0, :ORIENTATIONS, 20:44, 20:44].mean((1, 2)).argmax()) == number


def test_energy_ignores_phase():
    module = get_backbone("gabor:bank").module
    one, other = (module(grating(0.0, phase))[0][0, 0, 20:44, 20:44] for phase in (0.0, 1.3))
    torch.testing.assert_close(one, other, rtol=0.03, atol=0.0)


def test_a_uniform_image_has_no_contrast():
    for energies in get_backbone("gabor:bank").module(torch.full((1, 3, 64, 64), 0.7)):
        assert float(energies.abs().max()) < 1e-5


def test_colour_contrast_has_channels_of_its_own():
    red = torch.zeros(1, 3, 64, 64)
    red[:, 0] = 1
    energies = get_backbone("gabor:bank").module(red)[0][0]
    assert float(energies[ORIENTATIONS].min()) > 0.3
    assert float(energies[:ORIENTATIONS].max()) < 1e-5


def test_scales_halve_the_image():
    shapes = [tuple(energies.shape) for energies in get_backbone("gabor:bank").module(torch.zeros(2, 3, 128, 128))]
    assert shapes == [(2, ORIENTATIONS + 2, 128 >> scale, 128 >> scale) for scale in range(SCALES)]


def test_it_takes_no_other_name_and_no_weights():
    with pytest.raises(UnknownNameError, match="bank"):
        get_backbone("gabor:banc")
    with pytest.raises(InputValueError, match="takes no weights"):
        get_backbone("gabor:bank@file.pth")
