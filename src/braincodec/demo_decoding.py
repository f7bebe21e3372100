"""The part of the demo that decodes: images of what the simulated cortex saw, beside what it saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.atomic import atomic_path
from braincodec.demo_training import STIMULI, with_note

if TYPE_CHECKING:
    from braincodec.datasets import Recording
    from braincodec.evaluation import Scores

MODEL, PLACE = "fmri-simulated-lea", "subject-01"  # of the store
SCORES, REPORT = "scores", "report.html"
# maps of a middle layer of small images: where what is, in few enough numbers for a second's fit
EMBEDDING = {
    "image_embedding": "efficientnet_lite:0",
    "embedding_layer": "_blocks.4",
    "embedding_pooling": "flatten",
    "image_size": 64,
}
WITHOUT_WEIGHTS = {
    "image_embedding": "gabor:bank",
    "embedding_layer": "scales.*",
    "embedding_pooling": "flatten",
    "image_size": 64,
}
# so few training images teach no network to paint; the nearest of them are sharp, and what they are is plain to see
GENERATOR = {"kind": "retrieval", "similarity": "correlation"}
METRICS = ["correlation", "pattern_correlation", "pixel_correlation", "two_way_efficientnet_lite", "*_embedding"]
# of the pictures, the first that there is
SORTED_BY = ("two_way_efficientnet_lite", "pixel_correlation")
DRAWS = 500
SHOWN = 12
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class DecodedDemo:
    """What was decoded.

    Attributes
    ----------
    folder, figure : Path
        The scores and the report; the picture of seen and decoded images.
    model : Path
        Of the store.
    scores : Scores
        Of both directions.
    honest : str
        What must be known about the pictures.
    text_alternative : str
        The picture in words.
    """

    folder: Path
    figure: Path
    model: Path
    scores: Scores
    honest: str
    text_alternative: str

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Direction, measure, value, interval, and what a trivial predictor reaches, over all units."""
        from braincodec.viz.unit_values import metric_title

        table = self.scores.table
        return [
            (row.direction, metric_title(row.metric), f"{row.value:.2f}", f"{row.low:.2f} to {row.high:.2f}",
             f"{row.floor:.2f}")
            for row in table[table["roi"] == "all"].itertuples()
        ]  # fmt: skip


def decode_demo(
    folder: Path,
    figure: Path,
    store: Path,
    *,
    backbone: str | None = None,
    calibration: int | None = None,
    stimuli: int | None = None,
    progress: bool | None = None,
    say: Say = lambda _: None,
) -> DecodedDemo:
    """Fit LEA to the simulated cortex, decode its test responses, and draw what was seen and what was decoded.

    Parameters
    ----------
    folder : Path
        For the scores and the report; what an earlier demo made there is used again.
    figure : Path
    store : Path
        Folder of the store that gets the model.
    backbone, calibration : optional
        Of the simulated subject.
    stimuli : int, optional
        How many it is shown; eight of ten train, one tests.
    progress : bool, optional
    say : callable

    Returns
    -------
    DecodedDemo
    """
    from braincodec.evaluation import Scores
    from braincodec.viz import save_figure

    model = store / MODEL / PLACE
    if folder.is_dir() and model.is_dir():
        say(f"a decoder made by an earlier demo: {model}")
        scores = Scores.load(folder / SCORES)
    else:
        say("fitting LEA, a model of both directions, to the same subject, about half a minute")
        recording = _recording(backbone, calibration, stimuli)
        with atomic_path(folder, overwrite=True) as temporary:
            temporary.mkdir()
            scores = _fit_and_judge(temporary, model, recording, backbone, progress)
        say(f"LEA fitted to {len(recording.split.train)} images and responses, judged in both directions: {model}")
    honest = (
        f"Simulated subject: nothing was measured. Each decoded image is the nearest of the "
        f"{scores.about['split']['train']} training images"
    )
    drawn, words = decoded_figure(scores, honest)
    save_figure(figure, drawn)
    return DecodedDemo(folder, figure, model, scores, honest, words)


def _recording(backbone: str | None, calibration: int | None, stimuli: int | None) -> Recording:
    """The same subject and stimuli as those of the training demo."""
    from braincodec.datasets import load_dataset
    from braincodec.simulate.tuning import choose_backbone

    options: dict[str, Any] = {"n": stimuli or STIMULI, "repetitions": 3, "backbone": choose_backbone(backbone)}
    if calibration is not None:
        options["calibration"] = calibration
    return load_dataset("simulated", **options).subject("1")


def _fit_and_judge(
    folder: Path, model: Path, recording: Recording, backbone: str | None, progress: bool | None
) -> Scores:
    from braincodec.evaluation import evaluate
    from braincodec.models.lea.model import LEA
    from braincodec.simulate.tuning import choose_backbone

    embedding = EMBEDDING if choose_backbone(backbone) == EMBEDDING["image_embedding"] else WITHOUT_WEIGHTS
    latent = {"fmri_latent": "components", "repetitions": "average"}
    settings: dict[str, Any] = {**embedding, **latent, "generator": GENERATOR}
    lea = LEA(**settings).fit(recording, progress=progress)
    scores = evaluate(lea, recording, metrics=METRICS, draws=DRAWS, permutations=DRAWS, progress=progress)
    lea.save(model, overwrite=True)
    scores.save(folder / SCORES)
    scores.to_html(folder / REPORT)
    return scores


def decoded_figure(scores: Scores, honest: str) -> tuple[Any, str]:
    """Seen and decoded images, from the best to the worst, and the same in words."""
    from braincodec.viz import plot_reconstructions

    metric = next(name for name in SORTED_BY if name in scores.stimuli)
    return with_note(plot_reconstructions(scores, metric=metric, shown=SHOWN), honest)
