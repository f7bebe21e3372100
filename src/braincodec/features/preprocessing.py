"""From decoded pixels to the tensor a network expects; the settings travel with the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import model_validator

from braincodec.config import Config
from braincodec.errors import InputTypeError, InputValueError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Preprocessing(Config):
    """Crop, resize and normalise images, in this order: square crop, resize, centre crop, divide, subtract, divide.

    A step whose size is already right is skipped.

    Parameters
    ----------
    square_crop : bool
        Cut the central square out of the shorter side first.
    resize : int, (int, int) or None
        An int is the length of the shorter side (the aspect ratio stays), a pair is the exact (height, width).
    center_crop : int, (int, int) or None
        Size of the central crop after resizing.
    interpolation : {"bilinear", "bicubic", "nearest"}
    antialias : bool
        Low-pass filter when shrinking.
    resize_in : {"uint8", "float", "pillow"}
        ``uint8`` rounds resized pixels to whole values in 0..255, to the last bit as torchvision's transforms do with
        uint8 tensors; ``float`` does not round; ``pillow`` rounds after each of two passes, as Pillow does, and is
        several times faster.
    divisor : float
        Pixels are divided by it: 255 for values in 0..1.
    mean, std : tuple of three floats
        Subtracted and divided by, for each colour, after `divisor`.

    Examples
    --------
    >>> import numpy as np
    >>> preprocessing = Preprocessing(resize=256, center_crop=224)
    >>> tuple(preprocessing(np.zeros((2, 300, 400, 3), np.uint8)).shape)
    (2, 3, 224, 224)
    """

    square_crop: bool = False
    resize: int | tuple[int, int] | None = None
    center_crop: int | tuple[int, int] | None = None
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    antialias: bool = True
    resize_in: Literal["uint8", "float", "pillow"] = "uint8"
    divisor: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        sizes = [*_pair(self.resize or 1), *_pair(self.center_crop or 1)]
        if min(sizes) < 1 or self.resize == 0 or self.center_crop == 0:
            raise ValueError("resize and center_crop must be positive")
        if self.divisor <= 0 or min(self.std) <= 0:
            raise ValueError("divisor and std must be positive")
        return self

    @property
    def output_size(self) -> tuple[int, int] | None:
        """Height and width of the result, or None where they depend on the image."""
        if self.center_crop is not None:
            return _pair(self.center_crop)
        if isinstance(self.resize, tuple):
            return self.resize
        if self.resize is not None and self.square_crop:
            return _pair(self.resize)
        return None

    def __call__(self, images: NDArray[np.uint8]) -> torch.Tensor:
        """Preprocess a batch of images of one size.

        Parameters
        ----------
        images : array of uint8, shape (n, height, width, 3)
            Any strides, read-only too.

        Returns
        -------
        torch.Tensor of float32, shape (n, 3, height', width')

        Raises
        ------
        InputTypeError, InputValueError
            When dtype or shape are others, or an image is smaller than the centre crop.
        """
        import torch

        images = _checked(images)
        rows, columns = _square(images.shape[1:3]) if self.square_crop else (slice(None), slice(None))
        images = images[:, rows, columns].transpose(0, 3, 1, 2)  # (n, 3, H, W), a view
        resized = self._resized_size(images.shape[2:])
        rows, columns = self._crop_window(resized)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        result = torch.empty(len(images), 3, height, width)
        if resized == images.shape[2:]:
            np.copyto(result.numpy(), images[:, :, rows, columns])
        elif self.resize_in == "pillow":
            whole = torch.from_numpy(np.array(images))  # the copy is writable and keeps the memory order
            result.copy_(self._interpolate(whole, resized)[:, :, rows, columns])
        else:
            # one image at a time keeps the temporaries in the processor's cache
            pixels = torch.empty(1, 3, *images.shape[2:])
            for image, target in zip(images, result, strict=True):
                np.copyto(pixels.numpy()[0], image)  # any strides and uint8 to float32 in one pass
                target.copy_(self._resize(pixels, resized)[0, :, rows, columns])
        return self._normalise(result)

    def _resized_size(self, size: tuple[int, ...]) -> tuple[int, int]:
        height, width = size
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        # torchvision's rule: the longer side is rounded down
        longer = int(self.resize * max(size) / min(size))
        return (longer, self.resize) if width <= height else (self.resize, longer)

    def _crop_window(self, size: tuple[int, int]) -> tuple[slice, slice]:
        if self.center_crop is None:
            return slice(0, size[0]), slice(0, size[1])
        return _central(size, _pair(self.center_crop))

    def _resize(self, pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        resized = self._interpolate(pixels, size)
        if self.resize_in == "uint8":
            resized = resized.round_()
            # bicubic weights overshoot
            resized = resized.clamp_(0, 255) if self.interpolation == "bicubic" else resized
        return resized

    def _interpolate(self, pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        from torch.nn.functional import interpolate

        if self.interpolation == "nearest":
            return interpolate(pixels, size=size, mode="nearest")
        return interpolate(pixels, size=size, mode=self.interpolation, align_corners=False, antialias=self.antialias)

    def _normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.divisor != 1:
            pixels.div_(self.divisor)
        for values, identity, step in ((self.mean, 0.0, pixels.sub_), (self.std, 1.0, pixels.div_)):
            if any(value != identity for value in values):
                step(pixels.new_tensor(values).view(3, 1, 1))
        return pixels


def _checked(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise InputTypeError(f"images must be uint8, got {images.dtype}; a StimulusSet converts other types")
    if images.ndim != 4 or images.shape[-1] != 3:
        raise InputValueError(f"images must have the shape (n, height, width, 3), got {images.shape}")
    return images


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def _square(size: tuple[int, ...]) -> tuple[slice, slice]:
    return _central(size, (min(size), min(size)))


def _central(size: tuple[int, ...], crop: tuple[int, int]) -> tuple[slice, slice]:
    if crop[0] > size[0] or crop[1] > size[1]:
        raise InputValueError(
            f"images of {size[0]} x {size[1]} are smaller than the centre crop of {crop[0]} x {crop[1]}; set `resize`"
        )
    # round to even at a half, as torchvision does
    top, left = (round((whole - part) / 2) for whole, part in zip(size, crop, strict=True))
    return slice(top, top + crop[0]), slice(left, left + crop[1])


# the 227-pixel images of the NSD feature-weighted receptive-field networks
NSD_FWRF = Preprocessing(resize=(227, 227))
# torchvision's own ImageNet transform, applied to an uint8 tensor
TORCHVISION_IMAGENET = Preprocessing(resize=256, center_crop=224, mean=IMAGENET_MEAN, std=IMAGENET_STD)
