"""What each layer adds to a linear encoder's predictions, and how much of measured responses it explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError, NotTrainedError
from braincodec.memory import free_main_memory
from braincodec.models.run import encode_batches, response_template
from braincodec.models.training_data import examples_of
from braincodec.progress import progress_bar
from braincodec.stimuli import StimulusSet

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from braincodec.datasets.base import Recording
    from braincodec.models.linear.encoder import LinearEncoder


def layer_contributions(
    encoder: LinearEncoder,
    stimuli: Any,
    *,
    device: str = "auto",
    batch_size: int | str = "auto",
    progress: bool | None = None,
) -> xr.DataArray:
    """What each layer adds to the predicted responses.

    Parameters
    ----------
    encoder : LinearEncoder
    stimuli : StimulusSet or anything that `StimulusSet.open` takes
    device : str
    batch_size : int or "auto"
    progress : bool, optional

    Returns
    -------
    DataArray, dims (layer, stimulus, *response_dims), float32
        The sum over layers, plus the coordinate `intercept`, is what `encode` gives. With several networks a layer is
        called ``<number>.<layer>``.

    Raises
    ------
    NotTrainedError
    InputValueError
        When they do not fit into memory.
    """
    import xarray as xr

    if not encoder.trained:
        raise NotTrainedError("this LinearEncoder is not trained yet; call fit(recording) first")
    stimuli = StimulusSet.open(stimuli)
    layers = [key for keys in encoder.config.keys for key in keys.values()]
    shape = (len(layers), len(stimuli), *encoder.response_shape)
    if 4 * int(np.prod(shape)) > free_main_memory():
        raise InputValueError(
            f"contributions of shape {shape} do not fit into memory; select units, or take fewer stimuli"
        )
    values = np.empty(shape, np.float32)
    running = _Apart(encoder, len(layers))
    begin = 0
    with progress_bar("contributions", len(stimuli), show=progress) as advance:
        for _, block in encode_batches(cast("Any", running), stimuli, device=device, batch_size=batch_size):
            values[:, begin : begin + len(block)] = np.moveaxis(block, 1, 0)
            begin += len(block)
            advance(len(block))
    template = response_template(encoder, values[0], stimuli.ids.tolist())
    found = xr.DataArray(values, dims=("layer", *template.dims), name="contributions", attrs=template.attrs)
    chosen = {name: coordinate for name, coordinate in template.coords.items() if name != "layer"}
    return found.assign_coords(chosen).assign_coords(
        layer=layers, intercept=(encoder.response_dims, running.intercept())
    )


def layer_variance_partition(
    encoder: LinearEncoder, recording: Recording, part: str = "test", **options: Any
) -> xr.DataArray:
    """How much of the mean responses to one part of a recording each layer explains.

    Parameters
    ----------
    encoder : LinearEncoder
        With one set of outputs: repetitions that were fitted one by one have no common prediction.
    recording : Recording
        Of the units that the encoder predicts.
    part : {"test", "validation", "train"}
    **options
        Of `layer_contributions`.

    Returns
    -------
    DataArray, dims (layer, *output dims)
        Shares of the coefficient of determination; their sum is the whole. See `braincodec.evaluation.product_measure`.

    Raises
    ------
    InputValueError
        When the encoder predicts other units, or several repetitions.

    Examples
    --------
    >>> import braincodec as bc
    >>> data = bc.load_dataset("simulated", n=30, backbone="gabor:bank", calibration=8).subject("1")
    >>> settings = {"pooling": "spatial_mean", "readout": "banded", "draws": 5}
    >>> model = bc.LinearEncoder("gabor:bank", ["scales.1", "scales.3"], **settings).fit(data)
    >>> model.variance_partition(data).sizes["layer"]
    2
    """
    from braincodec.evaluation.encoding.variance_partition import variance_partition

    examples = examples_of(recording, part)
    predicted = encoder.response_shape if encoder.response_dims == ("unit",) else encoder.response_shape[1:]
    if encoder.response_dims[0] == "repetition" and encoder.response_shape[0] > 1:
        raise InputValueError("variance is divided for one prediction; this encoder gives one for each repetition")
    if predicted != examples.output_shape:
        raise InputValueError(f"the encoder predicts {predicted} outputs, the recording has {examples.output_shape}")
    parts = layer_contributions(encoder, examples.stimuli, **options)
    flat = parts.values.reshape(*parts.shape[:2], -1)
    intercept = np.nan_to_num(parts["intercept"].values.ravel())
    shares = variance_partition(
        dict(zip(parts["layer"].values.tolist(), flat, strict=True)), examples.block(), intercept
    )
    return _like_outputs(shares, parts, examples.output_dims, examples.output_shape)


def _like_outputs(
    shares: xr.DataArray, parts: xr.DataArray, dims: tuple[str, ...], shape: tuple[int, ...]
) -> xr.DataArray:
    import xarray as xr

    known = {name: one for name, one in parts.coords.items() if set(one.dims) <= set(dims) and name != "intercept"}
    found = xr.DataArray(shares.values.reshape(-1, *shape), dims=("layer", *dims), name="variance_partition")
    return found.assign_coords(known).assign_coords(layer=parts["layer"].values)


class _Apart:
    """An encoder whose response is what every layer adds, (layer, *response_dims)."""

    def __init__(self, encoder: LinearEncoder, layers: int) -> None:
        self._encoder = encoder
        self.response_shape = (layers, *encoder.response_shape)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def predict(self, *images: torch.Tensor) -> torch.Tensor:
        """Contributions (batch, layer, *response_shape)."""
        import torch

        parts = self._encoder.projection.by_layer(*images)
        return torch.stack([self._linear(part) for part in parts], 1)

    def _linear(self, part: torch.Tensor) -> torch.Tensor:
        return self._encoder.readout(part) - self._encoder.readout(part.new_zeros(1, part.shape[1]))

    def intercept(self) -> NDArray[np.float32]:
        """What no layer adds, (*response_shape)."""
        found: NDArray[np.float32] = self._encoder.readout(self._encoder.projection.offset[None])[0].cpu().numpy()
        return found
