"""The part of the demo that trains: a model of the simulated cortex, judged against its noise ceiling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braincodec.evaluation import Scores

STIMULI = 300
# two blocks of the network, small images: enough for a minute on two cores
NETWORK = {"backbone": "efficientnet_lite:0", "layers": ["_blocks.4", "_blocks.10"], "image_size": 128}
WITHOUT_WEIGHTS = {"backbone": "gabor:bank", "layers": ["scales.*"], "image_size": 64}
METRICS = ["correlation", "r2_correlation", "noise_normalised_accuracy"]
HONEST = (
    "Simulated subject: nothing was measured. The model reads the network that the subject was made from, an easy case"
)
NOTE_HEIGHT = 0.3  # inches, below the figure
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class TrainedDemo:
    """What was trained.

    Attributes
    ----------
    folder, figure : Path
        The result of `braincodec.train`, and the picture of accuracy against ceiling.
    scores : Scores
    text_alternative : str
        The picture in words.
    """

    folder: Path
    figure: Path
    scores: Scores
    text_alternative: str

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Region, correlation, interval, its ceiling, and explained part of what can be explained."""
        table = self.scores.table
        normalised = table[table["metric"] == "noise_normalised_accuracy"].set_index("roi")["value"]
        return [
            (row.roi, f"{row.value:.2f}", f"{row.low:.2f} to {row.high:.2f}", f"{row.ceiling:.2f}",
             f"{100 * normalised[row.roi]:.0f} %")
            for row in table[table["metric"] == "correlation"].itertuples()
        ]  # fmt: skip


def train_demo(
    folder: Path,
    figure: Path,
    *,
    backbone: str | None = None,
    calibration: int | None = None,
    stimuli: int | None = None,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> TrainedDemo:
    """Train a linear model of the simulated cortex and draw its accuracy against the ceiling.

    Parameters
    ----------
    folder : Path
        For the result; what an earlier demo trained there is used again.
    figure : Path
    backbone, calibration : optional
        Of the simulated subject.
    stimuli : int, optional
        How many it is shown; eight of ten train, one tests.
    progress : bool, optional
    say : callable

    Returns
    -------
    TrainedDemo
    """
    from braincodec.evaluation import Scores
    from braincodec.training import train
    from braincodec.viz import save_figure

    if folder.is_dir():
        say(f"a model trained by an earlier demo: {folder}")
        scores = Scores.load(folder / "scores" / "subject-01")
    else:
        found = train(settings(folder, backbone, calibration, stimuli), progress=progress, say=say).scores
        assert found is not None
        scores = found
    drawn, words = accuracy_figure(scores)
    save_figure(figure, drawn)
    return TrainedDemo(folder, figure, scores, words)


def settings(folder: Path, backbone: str | None, calibration: int | None, stimuli: int | None) -> dict[str, Any]:
    """Settings of the demo's training."""
    from braincodec.simulate.tuning import choose_backbone

    chosen = choose_backbone(backbone)
    options: dict[str, Any] = {"n": stimuli or STIMULI, "repetitions": 3, "backbone": chosen}
    if calibration is not None:
        options["calibration"] = calibration
    network = NETWORK if chosen == NETWORK["backbone"] else WITHOUT_WEIGHTS
    return {
        "dataset": {"name": "simulated", "options": options},
        "subject": 1,
        "model": {"kind": "linear", "readout": "ridge", **network},
        "evaluation": {"metrics": METRICS, "draws": 500, "permutations": 500},
        "notes": HONEST + ".",
        "output": folder,
    }


def accuracy_figure(scores: Scores) -> tuple[Any, str]:
    """Accuracy against noise ceiling in each region, and the same in words."""
    from braincodec.viz import plot_accuracy_by_roi

    return with_note(plot_accuracy_by_roi(scores, metric="correlation"), HONEST)


def with_note(figure: Any, note: str) -> tuple[Any, str]:
    """A figure with a line below it that must not be overlooked, and both in words."""
    from braincodec.viz import describe, style, text_alternative

    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + NOTE_HEIGHT)
    share = NOTE_HEIGHT / (height + NOTE_HEIGHT)
    if (engine := figure.get_layout_engine()) is not None:
        engine.set(rect=(0, share, 1, 1 - share))
    with style.styled():
        figure.text(0.012, 0.3 * share, f"{note}.", color=style.MUTED, fontsize=style.TINY)
    describe(figure, f"{note}.")
    return figure, text_alternative(figure)
