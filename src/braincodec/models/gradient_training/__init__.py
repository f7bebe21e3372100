"""Training of networks by gradients: settings, what one kind of network does in a step, and the loop around it."""

from braincodec.models.gradient_training.checkpoints import Checkpoints, kept_in
from braincodec.models.gradient_training.loop import Trained, train_network
from braincodec.models.gradient_training.optimisation import adamw, descend
from braincodec.models.gradient_training.randomness import choose_precision, reproducible, seeded
from braincodec.models.gradient_training.settings import TrainingSettings
from braincodec.models.gradient_training.task import GradientTask

__all__ = [
    "Checkpoints",
    "GradientTask",
    "Trained",
    "TrainingSettings",
    "adamw",
    "choose_precision",
    "descend",
    "kept_in",
    "reproducible",
    "seeded",
    "train_network",
]
