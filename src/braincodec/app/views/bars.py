"""Regions as rows of a table: the response to this photograph beside those to other images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braincodec.app.views.words import escaped, meaning_of, number, percent, signed, unit_of
from braincodec.app.visit import WHOLE

if TYPE_CHECKING:
    from braincodec.app.predicting import Prediction, RoiBar

# pixels
HEIGHT, MIDDLE = 22, 11


def bars(prediction: Prediction, roi: str | None) -> str:
    """The table of regions as HTML; nothing where there are none."""
    rows = prediction.roi_bars
    if not rows:
        return ""
    scale = _scale(rows)
    unit = unit_of(prediction)
    sensors = prediction.responses.dims == ("channel", "time")
    accuracy = any(bar.accuracy is not None for bar in rows)
    head = ["Channels" if sensors else "Region", "", f"Response{f', {unit}' if unit else ''}", "Higher than"]
    # of sensors the units are channels times samples, which tells nobody anything
    head += ([] if sensors else ["Units"]) + (["Accuracy"] if accuracy else [])
    cells = "".join(f"<th scope='col'>{name or '<span class=unseen>Beside other images</span>'}</th>" for name in head)
    body = "".join(_row(bar, bar.roi == roi, scale, unit, accuracy, sensors) for bar in rows)
    return (
        f'<section class="card" id="bars" aria-labelledby="bars-title"><h2 id="bars-title">'
        f"{'By group of channels' if sensors else 'By region'}</h2>"
        f'<p class="note">{_explained(prediction, sensors)}</p>'
        f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'
        f"{_legend(prediction)}</section>"
    )


def _scale(rows: list[RoiBar]) -> tuple[float, float]:
    values = [0.0] + [bar.mean for bar in rows]
    values += [value for bar in rows if bar.quantiles for value in bar.quantiles]
    low, high = min(values), max(values)
    room = 0.05 * (high - low or 1.0)
    return low - room, high + room


def _row(
    bar: RoiBar, chosen: bool, scale: tuple[float, float], unit: str, accuracy: bool, sensors: bool
) -> str:  # fmt: skip
    percentile = "…" if bar.percentile is None else percent(bar.percentile)
    name = escaped(bar.roi)
    pressed = str(chosen).lower()
    button = f'<button type="button" class="region" data-roi="{name}" aria-pressed="{pressed}">{name}</button>'
    button = name if bar.roi == WHOLE else button
    cells = [
        f'<th scope="row">{button}</th>',
        f'<td class="drawing">{_drawing(bar, scale, unit)}</td>',
        f"<td>{f'{bar.mean:.2f}' if sensors else signed(bar.mean)}</td>",
        f"<td>{percentile}</td>",
    ]
    if not sensors:
        cells.append(f"<td>{bar.units:,}</td>")
    if accuracy:
        cells.append(f"<td>{'' if bar.accuracy is None else f'{bar.accuracy:.2f}'}</td>")
    return f"<tr{' class=chosen' if chosen else ''}>{''.join(cells)}</tr>"


def _drawing(bar: RoiBar, scale: tuple[float, float], unit: str) -> str:
    """The response as a dot over the range of the reference, 5th to 95th and 25th to 75th percentile."""
    low, high = scale

    def across(value: float) -> float:
        return round(100 * (value - low) / (high - low), 1)

    zero = across(0)
    shapes = [f'<line class="zero" x1="{zero}%" x2="{zero}%" y1="0" y2="{HEIGHT}"/>']
    words = f"{bar.roi}: {number(bar, unit)}"
    if bar.quantiles is not None:
        five, quarter, half, three, most = (across(value) for value in bar.quantiles)
        shapes += [
            _band("wide", five, most, 3),
            _band("half", quarter, three, 5),
            f'<line class="median" x1="{half}%" x2="{half}%" y1="{MIDDLE - 5}" y2="{MIDDLE + 5}"/>',
        ]
        words += f"; half of the other images {signed(bar.quantiles[1])} to {signed(bar.quantiles[3])}"
    shapes.append(f'<circle class="here" cx="{across(bar.mean)}%" cy="{MIDDLE}" r="5"/>')
    return f'<svg height="{HEIGHT}" role="img" aria-label="{escaped(words)}">{"".join(shapes)}</svg>'


def _band(name: str, start: float, end: float, reach: int) -> str:
    width = max(end - start, 0.5)
    return f'<rect class="{name}" x="{start}%" width="{width:.1f}%" y="{MIDDLE - reach}" height="{2 * reach}" rx="3"/>'


def _explained(prediction: Prediction, sensors: bool) -> str:
    what = "Size of the response over its channels and times" if sensors else "Mean over the region's units"
    return f"{what}; {escaped(meaning_of(prediction))}."


def _legend(prediction: Prediction) -> str:
    reference = prediction.reference
    if reference.ready:
        return (
            '<p class="legend"><span class="key here"></span>this photograph '
            '<span class="key half"></span>middle half, '
            f'<span class="key wide"></span>middle 90&nbsp;% of {escaped(reference.text)}'
            f"{' (n = ' + f'{reference.images:,})' if str(reference.images) not in reference.text else ''}.</p>"
        )
    if reference.images:
        done = f"{reference.done:,} of {reference.images:,}"
        return (
            f'<p class="legend"><progress max="{reference.images}" value="{reference.done}" '
            f'aria-label="images compared"></progress> Making the comparison: {done} images are encoded.</p>'
        )
    return f'<p class="legend"><span class="key here"></span>this photograph; {escaped(reference.text)}.</p>'
