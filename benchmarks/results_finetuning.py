"""Blocks 5 to 10 of EfficientNet-lite0, fine-tuned to the neurons of other sessions than the one they are for."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from braincodec.features import get_backbone
from results_maps import BACKBONE, NATIVE, WHOLE, Session, block, save

FIRST, LAST = 5, 10
READ = (6, 8, 10)  # blocks that neurons read
BATCH, WARM_UP, EPOCHS = 32, 10, 4
RATE, READOUT_RATE, WARM_UP_RATE = 5e-4, 1e-3, 5e-3
PENALTY = 1e-2  # of squared readout weights
TUNED = "tuned block"


class Trunk(nn.Module):
    """Blocks 5 to 10, from maps of block 4; batch normalisation stays as it was learnt on ImageNet."""

    def __init__(self) -> None:
        super().__init__()
        network = copy.deepcopy(get_backbone(BACKBONE).module)
        self.blocks = nn.ModuleList(network._blocks[number] for number in range(FIRST, LAST + 1)).eval()
        self.blocks.requires_grad_(True)  # networks come frozen

    def maps(self, maps: torch.Tensor) -> dict[int, torch.Tensor]:
        """Maps of the blocks in `READ`, each (image, channel, 7, 7)."""
        found = {}
        for number, one in enumerate(self.blocks, start=FIRST):
            maps = one(maps)
            if number in READ:
                found[number] = maps
        return found

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of these blocks, one's channels after another's."""
        return torch.cat(list(self.maps(maps).values()), 1)  # (image, channels, 7, 7)


class Readout(nn.Module):
    """Each neuron sees standardised maps through a Gaussian window of its own and weighs the channels."""

    def __init__(self, neurons: int, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("deviation", deviation[:, None, None])
        self.centre = nn.Parameter(torch.zeros(neurons, 2))
        self.log_size = nn.Parameter(torch.full((neurons,), float(np.log(0.2))))
        self.weight = nn.Parameter(torch.zeros(neurons, len(mean)))
        self.bias = nn.Parameter(torch.zeros(neurons))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Responses to maps (image, channels, height, width)."""
        places = (torch.arange(maps.shape[-1]) + 0.5) / maps.shape[-1] - 0.5
        along = torch.exp(-((places - self.centre[..., None]) ** 2) / (2 * self.log_size.exp()[:, None, None] ** 2))
        window = along[:, 1, :, None] * along[:, 0, None]  # (neurons, 7, 7)
        window = window / window.sum((1, 2), keepdim=True)
        seen = torch.einsum("bchw,nhw->bnc", (maps - self.mean) / self.deviation, window)
        return (seen * self.weight).sum(-1) + self.bias  # (image, neurons)


def fine_tune(target: Session, others: Sequence[Session], rows: Sequence[np.ndarray], seed: int = 0) -> None:
    """Fit trunk and readouts to other sessions; keep the maps of the target's images.

    Parameters
    ----------
    target : Session
    others : sequence of Session
    rows : sequence of array of int
        The images of each of them that may be used.
    """
    torch.manual_seed(seed)
    trunk = Trunk()
    images, responses = {}, {}
    for session, used in zip(others, rows, strict=True):
        images[session.name] = torch.from_numpy(np.array(session.maps(block(4, NATIVE, WHOLE)))[used])
        values = session.responses[used]
        responses[session.name] = torch.from_numpy((values - values.mean(0)) / values.std(0)).float()
    with torch.no_grad():
        fixed = {name: torch.cat([trunk(part) for part in values.split(100)]) for name, values in images.items()}
    everything = torch.cat(list(fixed.values()))
    mean, deviation = everything.mean((0, 2, 3)), everything.std((0, 2, 3))
    readouts = nn.ModuleDict({name: Readout(values.shape[1], mean, deviation) for name, values in responses.items()})
    descend(readouts, fixed, responses, [{"params": readouts.parameters(), "lr": WARM_UP_RATE}], WARM_UP, seed)
    rates = [{"params": readouts.parameters(), "lr": READOUT_RATE}, {"params": trunk.parameters(), "lr": RATE}]
    descend(readouts, images, responses, rates, EPOCHS, seed, trunk)
    with torch.no_grad():
        source = torch.from_numpy(np.array(target.maps(block(4, NATIVE, WHOLE))))
        parts = [trunk.maps(part) for part in source.split(100)]
    tuned = {block(number, NATIVE, TUNED): torch.cat([part[number] for part in parts]).numpy() for number in READ}
    save(target.folder, target.name, tuned)


def descend(
    readouts: nn.ModuleDict,
    images: Mapping[str, torch.Tensor],
    responses: Mapping[str, torch.Tensor],
    rates: list[dict],
    epochs: int,
    seed: int,
    trunk: Trunk | None = None,
) -> None:
    """Adam with weight decay and a cosine schedule on squared errors; with a trunk images are shifted at random."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(rates, weight_decay=1e-2)
    steps = epochs * sum(len(values) // BATCH for values in images.values())
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        batches = [
            (name, rows)
            for name, values in images.items()
            for rows in np.array_split(rng.permutation(len(values)), len(values) // BATCH)
        ]
        for place in rng.permutation(len(batches)):
            name, rows = batches[place]
            maps = images[name][rows]
            if trunk is not None:
                maps = trunk(shifted(maps, rng))
            error = ((readouts[name](maps) - responses[name][rows]) ** 2).mean()
            loss = error + PENALTY * (readouts[name].weight ** 2).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def shifted(maps: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Maps moved by up to one position in each direction."""
    down, right = rng.integers(0, 3, 2)
    height, width = maps.shape[2:]
    return F.pad(maps, (1, 1, 1, 1), mode="replicate")[:, :, down : down + height, right : right + width]
