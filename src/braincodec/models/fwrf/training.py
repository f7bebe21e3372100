"""Epochs over the examples: shuffled batches, validation, the best epoch kept, checkpoints, exact resume.

Random numbers are drawn anew for each batch from (seed, network, epoch, batch), so the position alone says which come
next, and a run that goes on from a checkpoint draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from braincodec.device import is_out_of_memory
from braincodec.errors import InputValueError
from braincodec.models.fwrf.loss import correlations
from braincodec.models.fwrf.steps import NetworkInTraining, Weights
from braincodec.models.gradient_training.randomness import seeded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.fwrf.rows import Rows
    from braincodec.models.gradient_training.checkpoints import Checkpoints

T = TypeVar("T")
# between checkpoints within an epoch
SECONDS_BETWEEN_SAVES = 300.0


@dataclass(frozen=True, eq=False)
class SubjectExamples:
    """What one subject gives to one network.

    Attributes
    ----------
    name : str
    train, validation : Rows
    columns : array of int
        The units of the subject that the network predicts.
    """

    name: str
    train: Rows
    validation: Rows
    columns: NDArray[np.int64]


@dataclass
class Position:
    """How far training has come.

    Attributes
    ----------
    epoch, batch : int
        The next to be done, from 0.
    error : float
        Squared error so far in this epoch, summed over examples.
    curve : list of dict
        An entry for each epoch.
    best_epoch : int
        Number from 1 of the best epoch so far; 0 before the first.
    """

    epoch: int = 0
    batch: int = 0
    error: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0

    @property
    def best(self) -> float:
        """Validation correlation of the best epoch."""
        return float(self.curve[self.best_epoch - 1]["validation_correlation"]) if self.best_epoch else -math.inf


class Training:
    """A network's way through the epochs.

    Parameters
    ----------
    network : NetworkInTraining
    subjects : sequence of SubjectExamples
        In the order of the network's readouts.
    number : int
        Of this network among several, which draw different random numbers.
    images_a_pass : int
        Validation images at a time.
    """

    def __init__(
        self, network: NetworkInTraining, subjects: Sequence[SubjectExamples], number: int, images_a_pass: int
    ) -> None:
        self.network, self.subjects, self.recipe = network, subjects, network.recipe
        self.number, self.images_a_pass = number, images_a_pass
        self.examples = sum(len(one.train.examples) for one in subjects)
        self.position = Position()
        self.best: Weights = {}

    def run(self, checkpoints: Checkpoints, advance: Callable[[int], None] = lambda _: None) -> None:
        """Train to the end, from where an earlier run ended; `best` then has the best epoch's weights."""
        saved = checkpoints.load()
        if saved is not None:
            self.network.restore(saved.tensors, saved.state["scaler"])
            self.position = Position(**{name: saved.state[name] for name in vars(self.position)})
            self.best = saved.best
            advance(self.position.epoch * self.examples)
        while not self.finished:
            self._train(checkpoints, advance)
            improved = self._validate()
            self._save(checkpoints, improved)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the last ones brought nothing better."""
        now, patience = self.position, self.recipe.patience
        waited = patience is not None and now.epoch - now.best_epoch >= patience and now.best_epoch > 0
        return now.epoch >= self.recipe.epochs or waited

    def _train(self, checkpoints: Checkpoints, advance: Callable[[int], None]) -> None:
        now, last_save = self.position, time.monotonic()
        plan = self.plan(now.epoch)
        advance(sum(len(examples) for _, examples in plan[: now.batch]))
        reading = _ahead(self._read, plan[now.batch :])
        for subject, images, responses in reading:
            seeds = [self.generator("pass", now.epoch, now.batch, number) for number in range(2)]
            now.error += self._step(subject, images, responses, seeds)
            now.batch += 1
            advance(len(images))
            if time.monotonic() - last_save > SECONDS_BETWEEN_SAVES and now.batch < len(plan):
                self._save(checkpoints)
                last_save = time.monotonic()
        if not math.isfinite(now.error):
            raise InputValueError(
                f"training diverged in epoch {now.epoch + 1}: the loss is {now.error}; lower learning_rate"
                + ("" if self.network.precision == torch.float32 else " or use precision='float32'")
            )

    def _step(self, subject: int, images: NDArray[np.uint8], *given: Any) -> float:
        try:
            return self.network.step(subject, images, *given)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            # not halved: statistics and loss are those of a whole batch
            raise InputValueError(
                f"a step of {len(images)} images does not fit into the memory of {self.network.device}; "
                f"lower batch_size (now {self.recipe.batch_size}), or train region by region with rois"
            ) from error

    def plan(self, epoch: int) -> list[tuple[int, NDArray[np.int64]]]:
        """Subject and examples of each batch of an epoch: examples shuffled, batches of subjects mixed."""
        rng = np.random.default_rng(self._key("order", epoch))
        batches = []
        for number, subject in enumerate(self.subjects):
            order = rng.permutation(subject.train.examples)
            # of equal size, so that none is too small for its statistics
            parts = np.array_split(order, math.ceil(len(order) / self.recipe.batch_size))
            batches += [(number, part) for part in parts]
        return [batches[place] for place in rng.permutation(len(batches))]

    def _read(self, item: tuple[int, NDArray[np.int64]]) -> tuple[int, NDArray[np.uint8], NDArray[np.float32]]:
        subject = self.subjects[item[0]]
        return item[0], *subject.train.batch(item[1], subject.columns)

    def _validate(self) -> bool:
        """Add the epoch to the curve; whether it is the best so far."""
        now, found, error, count = self.position, [], 0.0, 0
        for number in range(len(self.subjects)):
            prediction, response = self.validation(number)
            found.append(correlations(prediction, response))
            squares = np.square(prediction - response, dtype=np.float64)
            error, count = error + float(np.nansum(squares)), count + int(np.isfinite(response).sum())
        entry: dict[str, Any] = {
            "epoch": now.epoch + 1,
            "loss": now.error / self.examples,
            "validation_loss": error / max(1, count),
            "validation_correlation": float(np.median(np.concatenate(found))),
        }
        if len(self.subjects) > 1:
            entry["subjects"] = {
                subject.name: float(np.median(one)) for subject, one in zip(self.subjects, found, strict=True)
            }
        improved = entry["validation_correlation"] > now.best
        self.position = Position(
            now.epoch + 1, 0, 0.0, [*now.curve, entry], now.epoch + 1 if improved else now.best_epoch
        )
        if improved:
            self.best = self.network.weights()
        return improved

    def validation(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predicted and measured responses (stimuli, units) of a subject's validation stimuli."""
        subject = self.subjects[number]
        batches = list(subject.validation.in_order(subject.columns, self.images_a_pass))
        predicted = [self.network.predict(number, images) for images, _ in batches]
        return np.concatenate(predicted), np.concatenate([responses for _, responses in batches])

    def _save(self, checkpoints: Checkpoints, improved: bool = False) -> None:
        tensors, scaler = self.network.state()
        checkpoints.save({**vars(self.position), "scaler": scaler}, tensors, self.best if improved else None)

    def _key(self, purpose: str, *place: int) -> list[int]:
        return [self.recipe.seed, self.number, zlib.crc32(purpose.encode()), *place]

    def generator(self, purpose: str, *place: int) -> torch.Generator:
        """Random numbers for one purpose at one place of the training, always the same."""
        return seeded(self._key(purpose, *place))


def _ahead(read: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
    """Read each item while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for item in items:
            following = pool.submit(read, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
