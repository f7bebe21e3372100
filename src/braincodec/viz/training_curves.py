"""How the networks of one model were trained: losses of each over its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, listed, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.models import Encoder

Curve = Sequence[Mapping[str, Any]]
LOSS, VALIDATION = "loss", "validation_loss"
COLUMNS, MOST_NETWORKS = 3, 12
# what the curve of a kind of model is of, where that is one of its networks
OWN = {"lea": "fMRI autoencoder"}


def plot_training_curves(data: Encoder | Mapping[str, Curve], *, axes: Axes | None = None) -> Figure:
    """Draw training and validation loss of each network over its epochs, a panel a network, with the best epoch.

    Parameters
    ----------
    data : Encoder, or mapping of str to sequence of dict
        A model, whose description keeps them, or curves by name, also as the ``history`` of a generator has them: an
        entry for each epoch with ``epoch``, a ``loss``, and perhaps a ``validation_loss``. Where there is no ``loss``,
        the first number of the entries is drawn.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Losses are on a scale of their own each; a circle is the least validation loss.

    Raises
    ------
    InputTypeError, InputValueError
        When there are no curves, or too many.

    See Also
    --------
    plot_learning_curve : the correlation with validation responses over epochs, of an encoder.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> curve = [{"epoch": n, "loss": 1 / n, "validation_loss": 2 / n} for n in (1, 2)]
    >>> print(text_alternative(plot_training_curves({"tokenizer": curve})))
    Training curves. Tokenizer: 2 epochs, loss from 1.00 to 0.50, validation loss from 2.00 to 1.00,
    the least in epoch 2.
    """
    curves = _curves(data)
    columns = min(COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    with style.styled():
        root = style.single(axes, (max(3.4, style.WIDTH * columns / COLUMNS), 0.9 + 1.9 * rows))
        layout.heading(root, "Training curves", "line: training; dashed: validation; circle: its least", above=26)
        panels = layout.panels(root, rows, columns, gap=(0.55, 0.7))
        for spare in panels[len(curves) :]:
            spare.remove()
        words = []
        for panel, (name, curve) in zip(panels, curves.items(), strict=False):
            _draw(panel, curve)
            panel.set_title(_capital(name), loc="left", pad=5, fontsize=style.SIZE)
            words.append(_words(name, curve))
        for panel in panels[max(0, len(curves) - columns) : len(curves)]:
            panel.set_xlabel("Epoch")
        for panel in panels[: len(curves) : columns]:
            panel.set_ylabel("Loss")
        describe(root, f"Training curves. {listed(words, MOST_NETWORKS)}.")
    return style.root_figure(root)


def _curves(data: Any) -> dict[str, Curve]:
    found = data
    if isinstance(data, Mapping):
        found = {name: item["curve"] if _has_curve(item) else item for name, item in data.items()}
    elif hasattr(data, "description"):
        found = _of_model(data.description.training, OWN.get(data.kind, data.kind))
        if not found:
            raise InputValueError(f"{data.description.model} has no training curves: no network was trained here")
    if not isinstance(found, Mapping):
        raise InputTypeError(f"training curves are a model's, or curves by name, not {type(data).__name__}")
    if not 1 <= len(found) <= MOST_NETWORKS:
        raise InputValueError(f"a figure has 1 to {MOST_NETWORKS} training curves, not {len(found)}")
    for name, curve in found.items():
        if isinstance(curve, str | Mapping) or not isinstance(curve, Sequence) or not curve:
            raise InputValueError(f"the training curve of {name} needs an entry for each epoch")
        if any("epoch" not in entry for entry in curve):
            raise InputValueError(f"an entry of the training curve of {name} has no epoch")
        _ = _loss(curve)
    return {str(name): curve for name, curve in found.items()}


def _of_model(training: Mapping[str, Any], name: str, path: tuple[str, ...] = ()) -> dict[str, Curve]:
    """Every curve in a model's description, by the keys that lead to it; `name` is that of its own."""
    found: dict[str, Curve] = {", ".join(path) or name: training["curve"]} if _has_curve(training) else {}
    for key, item in training.items():
        if isinstance(item, Mapping):
            found |= _of_model(item, name, (*path, str(key).replace("_", " ")))
    return found


def _has_curve(item: Any) -> bool:
    return isinstance(item, Mapping) and bool(item.get("curve")) and isinstance(item["curve"], Sequence)


def _loss(curve: Curve) -> str:
    """Name of what is drawn as the loss in training."""
    numbers = [name for name in curve[0] if name != "epoch" and not name.startswith("validation")]
    if LOSS in curve[0] or not numbers:
        if LOSS not in curve[0] and VALIDATION not in curve[0]:
            raise InputValueError(f"an entry of a training curve has no loss: {dict(curve[0])}")
        return LOSS
    return numbers[0]


def _values(curve: Curve, name: str) -> NDArray[np.float64]:
    return np.array([entry.get(name, np.nan) for entry in curve], float)


def _draw(axes: Axes, curve: Curve) -> None:
    epochs, validation = _values(curve, "epoch"), _values(curve, VALIDATION)
    marker = "." if len(curve) == 1 else None
    axes.plot(epochs, _values(curve, _loss(curve)), color=style.MODEL, marker=marker)
    if np.isfinite(validation).any():
        axes.plot(epochs, validation, color=style.OTHER, linestyle=(0, (4, 3)), marker=marker)
        best = int(np.nanargmin(validation))
        axes.scatter(
            epochs[best], validation[best], s=34, facecolors="white", edgecolors=style.OTHER, linewidths=1.5, zorder=3
        )
    axes.locator_params(axis="x", nbins=5, integer=True)
    axes.locator_params(axis="y", nbins=4)
    layout.horizontal_grid(axes)


def _capital(name: str) -> str:
    """With a capital, unless the name has one already, as fMRI."""
    return name if any(letter.isupper() for letter in name) else name[:1].upper() + name[1:]


def _words(name: str, curve: Curve) -> str:
    losses, validation = _values(curve, _loss(curve)), _values(curve, VALIDATION)
    text = f"{_capital(name)}: {count(len(curve), 'epoch')}, loss from {number(losses[0])} to {number(losses[-1])}"
    if np.isfinite(validation).any():
        best = int(curve[int(np.nanargmin(validation))]["epoch"])
        text += f", validation loss from {number(validation[0])} to {number(validation[-1])}, the least in epoch {best}"
    return text
