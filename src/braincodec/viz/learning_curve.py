"""How a model that was trained by gradients came to be: loss and validation correlation over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputTypeError, InputValueError
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, listed, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.models import Encoder

Curve = list[Mapping[str, Any]]
SCORE, LOSS, VALIDATION_LOSS = "validation_correlation", "loss", "validation_loss"
NEEDED = ("epoch", LOSS, SCORE)
# lines of more networks could not be told apart
MOST_NETWORKS = len(style.CYCLE)


def plot_learning_curve(data: Encoder | Sequence[Mapping[str, Any]], *, axes: Axes | None = None) -> Figure:
    """Draw the correlation with validation responses and the loss over epochs, with the epoch that was kept.

    Parameters
    ----------
    data : Encoder, or sequence of dict
        A model trained by gradients, or its ``description.training["curve"]``: an entry for each epoch with ``epoch``,
        ``loss`` and ``validation_correlation``, perhaps ``validation_loss``, and ``roi`` where each region has a
        network of its own.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When there is no curve.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> curve = [{"epoch": n, "loss": 1 / n, "validation_correlation": 0.1 * n} for n in (1, 2, 3)]
    >>> print(text_alternative(plot_learning_curve(curve)))
    Learning curve over 3 epochs. Validation correlation from 0.10 to 0.30, the best 0.30 in epoch 3;
    loss from 1.00 to 0.33.
    """
    curves = _curves(data)
    epochs = max(len(curve) for curve in curves.values())
    with style.styled():
        root = style.single(axes, (style.WIDTH, 2.9))
        left, right = layout.panels(root, 1, 2, gap=(0.9, 0.3))
        for colour, curve in zip(style.CYCLE, curves.values(), strict=False):
            _draw_score(left, curve, colour)
            _draw_loss(right, curve, colour, alone=len(curves) == 1)
        for panel, label in ((left, "Correlation"), (right, "Squared error")):
            panel.set(xlabel="Epoch", ylabel=label, xlim=(1 - 0.02 * epochs, epochs + 0.02 * epochs))
            panel.locator_params(axis="x", nbins=6, integer=True)
            layout.horizontal_grid(panel)
        if len(curves) > 1:
            colours = zip(style.CYCLE, curves.items(), strict=False)
            layout.end_labels(left, [(curve[-1][SCORE], name, colour) for colour, (name, curve) in colours])
        layout.title(left, "Validation correlation", "circle: the epoch that was kept")
        layout.title(right, "Loss", _loss_note(curves))
        words = [_words(name, curve) for name, curve in curves.items()]
        describe(root, f"Learning curve over {count(epochs, 'epoch')}. {listed(words)}.")
    return style.root_figure(root)


def _curves(data: Any) -> dict[str, Curve]:
    """The curve of each network, by the name of its region."""
    entries = data
    if hasattr(data, "description"):
        entries = data.description.training.get("curve")
        if entries is None:
            raise InputValueError(
                f"{data.description.model} has no learning curve: it was not trained by gradients here"
            )
    if isinstance(entries, str | Mapping) or not isinstance(entries, Sequence):
        raise InputTypeError(
            f"a learning curve is a model's or a list with an entry an epoch, not {type(data).__name__}"
        )
    if not entries:
        raise InputValueError("this learning curve has no epoch")
    curves: dict[str, Curve] = {}
    for entry in entries:
        missing = [name for name in NEEDED if name not in entry]
        if missing:
            raise InputValueError(f"an entry of a learning curve lacks {', '.join(missing)}: {dict(entry)}")
        curves.setdefault(str(entry.get("roi", "")), []).append(entry)
    if len(curves) > MOST_NETWORKS:
        raise InputValueError(
            f"{len(curves)} networks do not fit one figure ({MOST_NETWORKS}); give the entries of some"
        )
    return curves


def _values(curve: Curve, name: str) -> np.ndarray:
    return np.array([entry.get(name, np.nan) for entry in curve], float)


def _draw_score(axes: Axes, curve: Curve, colour: str) -> None:
    epochs, scores = _values(curve, "epoch"), _values(curve, SCORE)
    axes.plot(epochs, scores, color=colour, marker="." if len(curve) == 1 else None)
    best = int(np.nanargmax(scores))
    axes.scatter(epochs[best], scores[best], s=34, facecolors="white", edgecolors=colour, linewidths=1.5, zorder=3)


def _draw_loss(axes: Axes, curve: Curve, colour: str, *, alone: bool) -> None:
    epochs, validation = _values(curve, "epoch"), _values(curve, VALIDATION_LOSS)
    marker = "." if len(curve) == 1 else None
    axes.plot(epochs, _values(curve, LOSS), color=colour, marker=marker)
    if np.isfinite(validation).any():
        axes.plot(epochs, validation, color=style.OTHER if alone else colour, linestyle=(0, (4, 3)), marker=marker)


def _loss_note(curves: Mapping[str, Curve]) -> str:
    known = any(VALIDATION_LOSS in entry for curve in curves.values() for entry in curve)
    return "line: training, dashed: validation" if known else "in training"


def _words(name: str, curve: Curve) -> str:
    scores, losses, validation = (_values(curve, key) for key in (SCORE, LOSS, VALIDATION_LOSS))
    best = int(np.nanargmax(scores))
    text = (
        f"{name + ': v' if name else 'V'}alidation correlation from {number(scores[0])} to {number(scores[-1])}, "
        f"the best {number(scores[best])} in epoch {int(curve[best]['epoch'])}; "
        f"loss from {number(losses[0])} to {number(losses[-1])}"
    )
    if np.isfinite(validation).any():
        text += f" in training and from {number(validation[0])} to {number(validation[-1])} in validation"
    return text
