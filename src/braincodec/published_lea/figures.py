"""Response plots of a run, and its image scores, as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from braincodec.errors import BraincodecError, MissingExtraError
from braincodec.evaluation import Scores

# file: function of `braincodec.viz`, and its options
OF_SCORES: dict[str, tuple[str, dict[str, Any]]] = {
    "accuracy-by-region.png": ("plot_accuracy_by_roi", {}),
    "profile-and-pattern-correlations.png": ("plot_profile_and_pattern", {}),
    "profile-correlations-of-voxels.png": ("plot_accuracy_histogram", {"metric": "correlation"}),
    "accuracy-against-ceiling.png": ("plot_accuracy_against_ceiling", {}),
    "decoding-scores.png": ("plot_decoding_scores", {}),
}


PATTERNS = "predicted-against-measured.png"


def draw_figures(
    scores: Scores, predicted: Any, measured: Any, seen: Any, folder: Path, say: Callable[[str], None]
) -> list[Path]:
    """Draw what the scores have the data for.

    Parameters
    ----------
    scores : Scores
    predicted, measured : DataArray
        Responses (stimulus, unit) to the test stimuli.
    seen : array of uint8, shape (stimuli, height, width, 3)
        The test stimuli.
    folder : Path
    say : callable
        Told what could not be drawn, and why.

    Returns
    -------
    list of Path
    """
    import braincodec.viz as viz

    drawn = []
    plans: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
        (PATTERNS, "plot_response_patterns", (predicted, measured), {"images": seen}),
        *((name, function, (scores,), options) for name, (function, options) in OF_SCORES.items()),
    ]
    for name, function, data, options in plans:
        try:
            drawn.append(viz.save_figure(folder / name, getattr(viz, function)(*data, **options)))
        except MissingExtraError as error:
            say(f"no figures: {error}")
            return drawn
        except BraincodecError as error:
            say(f"{name} was not drawn: {error}")
    return drawn
