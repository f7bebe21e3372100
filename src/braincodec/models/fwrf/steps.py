"""One network in training: its weights, its optimisers, and what one batch does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from braincodec.models.fwrf.initial import trainable_names
from braincodec.models.fwrf.loss import weighted_error
from braincodec.models.fwrf.network import (
    BATCH_NORM_EPSILON,
    CHANNELS,
    MAP_SIDES,
    feature_maps,
    pooled_readout,
    squashed_by_position,
)
from braincodec.models.fwrf.tiled_readout import by_position, tiled_readout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.fwrf.recipe import FwRFRecipe

Weights = dict[str, torch.Tensor]
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class NetworkInTraining:
    """A trunk, the readouts of one or several subjects on it, and their optimisers.

    Parameters
    ----------
    trunk : dict of str to torch.Tensor
        Published names: ``mu``, ``pre.*``, ``enc.*``.
    readouts : sequence of dict of str to torch.Tensor
        ``rf0..rf2``, ``w``, ``b`` of each subject.
    recipe : FwRFRecipe
    device : torch.device
    precision : torch.dtype
        Of trunk and pooling in training.
    """

    def __init__(
        self,
        trunk: Weights,
        readouts: Sequence[Weights],
        recipe: FwRFRecipe,
        device: torch.device,
        precision: torch.dtype,
    ) -> None:
        self.recipe, self.device, self.precision = recipe, device, precision
        self.trunk = {name: _own(tensor, device) for name, tensor in trunk.items()}
        self.readouts = [{n: _own(t, device).requires_grad_() for n, t in one.items()} for one in readouts]
        moving = trainable_names(prefilter=recipe.train_prefilter, trunk=recipe.train_trunk)
        self._groups: list[Weights] = [{name: self.trunk[name].requires_grad_() for name in moving}, *self.readouts]
        self._optimisers = [
            torch.optim.Adam(group.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
            if group
            else None
            for group in self._groups
        ]
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)

    def step(
        self, subject: int, images: NDArray[np.uint8], responses: NDArray[np.float32], seeds: Sequence[torch.Generator]
    ) -> float:
        """Move the weights by one batch of one subject.

        Parameters
        ----------
        subject : int
            Position in `readouts`.
        images : array of uint8, shape (batch, 3, 227, 227)
        responses : array, shape (batch, units)
        seeds : two generators, one for each pass

        Returns
        -------
        float
            Squared error summed over the batch, mean over units.
        """
        pixels = self.pixels(images, seeds[0])
        measured = torch.from_numpy(responses).to(self.device)
        trunk, readout = 0, 1 + subject
        both = [group for group in (trunk, readout) if self._optimisers[group] is not None]
        error = torch.zeros(())
        passes = [[group] for group in both] if self.recipe.alternating else [both]
        for moved, generator in zip(passes, seeds, strict=False):
            prediction = self._prediction(subject, pixels, generator, trunk in moved, readout in moved)
            error, loss = weighted_error(prediction, measured, self.recipe.least_weight)
            if readout in moved:
                loss = loss + self.recipe.sparsity * self.readouts[subject]["w"].abs().sum()
            self._descend(loss, [optimiser for group in moved if (optimiser := self._optimisers[group])])
        return float(error.mean())

    def _descend(self, loss: torch.Tensor, optimisers: Sequence[torch.optim.Optimizer]) -> None:
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        for optimiser in optimisers:
            self._scaler.step(optimiser)
        self._scaler.update()

    def _prediction(
        self, subject: int, pixels: torch.Tensor, generator: torch.Generator, trunk_moves: bool, readout_moves: bool
    ) -> torch.Tensor:
        """Responses (batch, units) as in training: by batch statistics, and with channels left out."""
        readout = self.readouts[subject]
        if not readout_moves:
            readout = {name: tensor.detach() for name, tensor in readout.items()}
        with torch.set_grad_enabled(trunk_moves):
            with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                maps = feature_maps(self.trunk, pixels, self._by_batch_statistics(generator))
            features = [by_position(one) for one in maps]
        planes = [readout[f"rf{m}"].flatten(1).softmax(1).to(self.precision) for m in range(len(MAP_SIDES))]
        return tiled_readout(features, planes, readout["w"].unflatten(1, (len(MAP_SIDES), CHANNELS)), readout["b"])

    def _by_batch_statistics(self, generator: torch.Generator) -> Callable[[str, torch.Tensor], torch.Tensor]:
        dropout, momentum = self.recipe.dropout, self.recipe.momentum

        def normalise(prefix: str, x: torch.Tensor) -> torch.Tensor:
            mean, variance, scale, shift = (
                self.trunk[f"{prefix}.bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
            )
            x = F.batch_norm(x, mean, variance, scale, shift, True, momentum, BATCH_NORM_EPSILON)
            # of the CPU, so that a seed gives the same channels on every device
            kept = (torch.rand(x.shape[:2], generator=generator) >= dropout).to(x) / (1 - dropout)
            return x * kept[:, :, None, None]

        return normalise

    def pixels(self, images: NDArray[np.uint8], generator: torch.Generator | None = None) -> torch.Tensor:
        """Images in 0..1 on the device, shifted at random where the recipe says so and a generator is given."""
        pixels = torch.from_numpy(images).to(self.device).float().div_(255)
        reach = self.recipe.shift if generator is not None else 0
        if not reach:
            return pixels
        side = pixels.shape[-1]
        padded = F.pad(pixels, (reach,) * 4, mode="replicate")
        corners = torch.randint(0, 2 * reach + 1, (len(pixels), 2), generator=generator).tolist()
        return torch.stack([one[:, y : y + side, x : x + side] for one, (y, x) in zip(padded, corners, strict=True)])

    def predict(self, subject: int, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Responses (batch, units) as the trained model gives them: the published functions, in float32."""
        readout = self.readouts[subject]
        with torch.no_grad():
            maps = squashed_by_position(feature_maps(self.trunk, self.pixels(images)))
            planes = [readout[f"rf{m}"].flatten(1).softmax(1) for m in range(len(MAP_SIDES))]
            weight = readout["w"].unflatten(1, (len(MAP_SIDES), 1, CHANNELS))
            found: NDArray[np.float32] = pooled_readout(maps, planes, weight, readout["b"]).cpu().numpy()
        return found

    def weights(self) -> Weights:
        """Copies of all weights, ``trunk.<name>`` and ``readout-<subject>.<name>``."""
        return {name: tensor.detach().clone() for name, tensor in self._named()}

    def _named(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from ((f"trunk.{name}", tensor) for name, tensor in self.trunk.items())
        for number, readout in enumerate(self.readouts):
            yield from ((f"readout-{number}.{name}", tensor) for name, tensor in readout.items())

    def state(self) -> tuple[Weights, dict[str, Any]]:
        """Everything that the next step depends on: tensors, and the rest as plain JSON."""
        tensors = {f"weights/{name}": tensor for name, tensor in self._named()}
        for number, (group, optimiser) in enumerate(zip(self._groups, self._optimisers, strict=True)):
            for name, tensor in group.items():
                for moment, value in (optimiser.state.get(tensor, {}) if optimiser else {}).items():
                    tensors[f"moments-{number}/{name}/{moment}"] = value
        return tensors, dict(self._scaler.state_dict())

    def restore(self, tensors: Weights, scaler: dict[str, Any]) -> None:
        """Become what `state` described, to the last bit."""
        with torch.no_grad():
            for name, tensor in self._named():
                tensor.copy_(tensors[f"weights/{name}"])
            for number, (group, optimiser) in enumerate(zip(self._groups, self._optimisers, strict=True)):
                for name, tensor in group.items():
                    saved = {m: tensors.get(f"moments-{number}/{name}/{m}") for m in MOMENTS}
                    if optimiser is not None and saved["step"] is not None:
                        # made as the optimiser makes them, so that the order in memory is the same
                        optimiser.state[tensor] = {
                            m: value.clone() if m == "step" else torch.zeros_like(tensor).copy_(value)
                            for m, value in saved.items()
                            if value is not None
                        }
        if scaler:
            self._scaler.load_state_dict(scaler)


def _own(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy in float32 on the device, convolutions in the order that is quickest."""
    copy = tensor.detach().to(device, torch.float32, copy=True)
    convolution = copy.ndim == 4 and copy.shape[0] > 1
    return copy.contiguous(memory_format=torch.channels_last if convolution else torch.contiguous_format)
