"""From a layer's output to features: flatten, average over space, or take the class token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from braincodec.errors import InputValueError

if TYPE_CHECKING:
    import torch
    from torch import nn

Pooling = Literal["flatten", "spatial_mean", "class_token", "none"]


def pool(
    output: torch.Tensor, pooling: Pooling, *, prefix_tokens: int = 0, channels_last: bool = False
) -> torch.Tensor:
    """Pool the output of one layer.

    Parameters
    ----------
    output : torch.Tensor
        Maps (batch, channel, height, width), tokens (batch, token, channel) or vectors (batch, channel).
    pooling : {"flatten", "spatial_mean", "class_token", "none"}
        ``spatial_mean`` leaves out the class token and register tokens; ``none`` returns maps and tokens as they are.
    prefix_tokens : int
        How many tokens stand before those of the image.
    channels_last : bool
        Maps come as (batch, height, width, channel), as in Swin; they are turned to channels first.

    Returns
    -------
    torch.Tensor
        Shape (batch, feature); for ``none`` any.

    Raises
    ------
    InputValueError
        ``class_token`` where there is none.

    Examples
    --------
    >>> import torch
    >>> tuple(pool(torch.zeros(2, 8, 5, 5), "spatial_mean").shape)
    (2, 8)
    """
    if channels_last and output.dim() == 4:
        output = output.permute(0, 3, 1, 2)  # (batch, channel, height, width)
    if pooling == "none":
        return output
    if pooling == "flatten":
        return output.flatten(1)
    if pooling == "class_token":
        if output.dim() != 3 or prefix_tokens == 0:
            raise InputValueError(
                f"class_token needs a layer of a transformer with a class token; this one gives the shape "
                f"{tuple(output.shape)}. Use 'spatial_mean' or 'flatten'"
            )
        return output[:, 0]
    if output.dim() == 3:
        return output[:, prefix_tokens:].mean(1)
    return output.flatten(2).mean(2) if output.dim() > 2 else output


def count_prefix_tokens(module: nn.Module) -> int:
    """How many tokens a transformer puts before those of the image: class token and registers.

    Knows timm (``num_prefix_tokens``), torchvision (``class_token``) and open_clip (``class_embedding``).

    Examples
    --------
    >>> from torch import nn
    >>> count_prefix_tokens(nn.Identity())
    0
    """
    for part in (module, *module.children()):
        count = getattr(part, "num_prefix_tokens", None)
        if isinstance(count, int):
            return count
        if getattr(part, "class_token", None) is not None or getattr(part, "class_embedding", None) is not None:
            return 1
    return 0
