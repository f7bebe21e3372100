"""What one visitor looks at, and what each of their actions makes of it. No web framework here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.app.failures import told
from braincodec.app.state import State, state_from_query
from braincodec.app.uploads import MOST_BYTES, read_upload
from braincodec.errors import InputValueError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from braincodec.app.catalogue import ModelChoice
    from braincodec.app.decoding import Decoded
    from braincodec.app.examples import Example
    from braincodec.app.explorer import Explorer
    from braincodec.app.predicting import Prediction

ALL_REGIONS = ""
# how the backend calls the bar of a model without regions
WHOLE = "all"
NEAREST = 8
SAMPLES = 2
# times that a page asks whether its comparison is ready, until somebody acts again
MOST_ASKED = 150


@dataclass(frozen=True, eq=False)
class Visit:
    """What one visitor looks at.

    Attributes
    ----------
    state : State
    pixels : array of uint8, shape (height, width, 3), or None
    title, licence : str
        Of the photograph.
    uploaded : bool
        Whether it is the visitor's own, which no link restores.
    prediction : Prediction or None
    decoded : Decoded or None
    pattern : str or None
        Name of the example that was decoded.
    given : array, path or None
        What was decoded.
    error : str
        What went wrong with the last action, as a sentence.
    notes : tuple of str
    asked : int
        How often the page has asked whether the comparison is ready.
    left : callable or None
        Tells whether the visitor has left, for whom nothing more is computed.
    """

    state: State
    pixels: NDArray[np.uint8] | None = None
    title: str = ""
    licence: str = ""
    uploaded: bool = False
    prediction: Prediction | None = None
    decoded: Decoded | None = None
    pattern: str | None = None
    given: Any = None
    error: str = ""
    notes: tuple[str, ...] = ()
    asked: int = 0
    left: Callable[[], bool] | None = None


def _in_one_sentence(action: Callable[..., Visit]) -> Callable[..., Visit]:
    """Whatever goes wrong becomes the visit's error; what was shown before stays."""

    @functools.wraps(action)
    def guarded(self: Visits, visit: Visit | None, *arguments: Any) -> Visit:
        visit = visit or self.fresh()
        try:
            return action(self, replace(visit, error="", notes=()), *arguments)
        except Exception as error:  # noqa: BLE001  a visitor never sees a traceback; `told` logs it
            return replace(visit, error=str(told(error, "this")), notes=())

    return guarded


class Visits:
    """The actions that a page offers, each from one visit to the next.

    Parameters
    ----------
    explorer : Explorer
    """

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.photographs: list[Example] = explorer.examples()
        self._patterns: dict[tuple[str, str], list[Example]] = {}

    def fresh(self) -> Visit:
        """A visit before anything is shown."""
        return Visit(state_from_query({}, self.explorer.models, self._names())[0])

    def arrive(self, query: Mapping[str, Any], left: Callable[[], bool] | None = None) -> Visit:
        """What a link asks for; without one, the first example."""
        state, notes = state_from_query(query, self.explorer.models, self._names())
        if state.example is None and self.photographs:
            state = replace(state, example=self.photographs[0].name)
        visit = Visit(state, left=left)
        shown = self.try_example(visit, state.example) if state.example else visit
        return replace(shown, notes=tuple(notes))

    @_in_one_sentence
    def upload(self, visit: Visit, path: str | Path) -> Visit:
        """A photograph of the visitor's own."""
        return self._see(visit, read_upload(path), Path(path).stem[:60] or "your photograph", "", example=None)

    @_in_one_sentence
    def try_example(self, visit: Visit, name: str) -> Visit:
        """One of the photographs that are offered."""
        example = _named(self.photographs, name, "example")
        return self._see(visit, example.pixels, example.title, example.licence, example=name)

    @_in_one_sentence
    def too_large(self, visit: Visit, megabytes: float) -> Visit:
        """A file that the browser held back."""
        raise InputValueError(f"the file has {float(megabytes):.1f} MB; at most {MOST_BYTES / 1e6:.0f} MB are accepted")

    @_in_one_sentence
    def choose_model(self, visit: Visit, name: str) -> Visit:
        """Another model; subject and region stay where it has them."""
        model = self.explorer.model(name)
        kept = [subject for subject in model.subjects if str(subject) == str(visit.state.subject)]
        state = replace(visit.state, model=model.id, subject=(kept or model.subjects)[0], time=None)
        if state.roi not in model.rois:
            state = replace(state, roi=None)
        return self._predicted(replace(visit, state=state, decoded=None, pattern=None))

    @_in_one_sentence
    def choose_subject(self, visit: Visit, name: str) -> Visit:
        """Another subject of the model."""
        known = {str(subject): subject for subject in self.model_of(visit).subjects}
        if str(name) not in known:
            raise UnknownNameError("subject", str(name), list(known), where=f"of {visit.state.model}")
        state = replace(visit.state, subject=known[str(name)])
        return self._predicted(replace(visit, state=state, decoded=None, pattern=None))

    @_in_one_sentence
    def choose_roi(self, visit: Visit, name: str | None) -> Visit:
        """A region to look at; chosen again, or empty, all."""
        if not name or name == visit.state.roi:
            return replace(visit, state=replace(visit.state, roi=None))
        if name not in self.rois_of(visit):
            raise UnknownNameError("roi", name, self.rois_of(visit), where=f"of {visit.state.model}")
        return replace(visit, state=replace(visit.state, roi=name))

    @_in_one_sentence
    def again(self, visit: Visit) -> Visit:
        """The same, now that more of the comparison may be known."""
        later = replace(self._predicted(visit), asked=visit.asked + 1)
        if visit.decoded is not None and not visit.decoded.complete:
            later = self._decoded(later, visit.given, visit.pattern)
        return later

    @_in_one_sentence
    def try_pattern(self, visit: Visit, name: str) -> Visit:
        """Decode one of the patterns that are offered."""
        example = _named(self.patterns_of(visit), name, "pattern")
        assert example.pattern is not None
        return self._decoded(replace(visit, asked=0), example.pattern, name)

    @_in_one_sentence
    def upload_pattern(self, visit: Visit, path: str | Path) -> Visit:
        """Decode a pattern of the visitor's own."""
        return self._decoded(replace(visit, asked=0), Path(path), None)

    def model_of(self, visit: Visit) -> ModelChoice:
        """The chosen model."""
        return self.explorer.model(visit.state.model)

    def decodes(self, visit: Visit) -> bool:
        """Whether the chosen model makes images of responses."""
        return self.model_of(visit).direction in ("decode", "both")

    def patterns_of(self, visit: Visit) -> list[Example]:
        """Patterns to try with the chosen decoder and subject."""
        if not self.decodes(visit):
            return []
        state = visit.state
        key = (state.model, str(state.subject))
        if key not in self._patterns:  # two at once make the same, so that it does not matter whose is kept
            self._patterns[key] = self.explorer.examples(state.model, state.subject)
        return self._patterns[key]

    def rois_of(self, visit: Visit) -> list[str]:
        """Regions, or groups of channels, that can be chosen."""
        if visit.prediction is not None and visit.prediction.roi_bars:
            return [bar.roi for bar in visit.prediction.roi_bars if bar.roi != WHOLE]
        return list(self.model_of(visit).rois_of_subject.get(visit.state.subject, ()))

    def _names(self) -> list[str]:
        return [example.name for example in self.photographs]

    def _see(self, visit: Visit, pixels: NDArray[np.uint8], title: str, licence: str, *, example: str | None) -> Visit:
        state = replace(visit.state, example=example)
        seen = replace(visit, pixels=pixels, title=title, licence=licence, uploaded=example is None, state=state)
        return self._predicted(replace(seen, asked=0))

    def _predicted(self, visit: Visit) -> Visit:
        """With what the model predicts; where it cannot, what is shown must not be another model's."""
        model = self.model_of(visit)
        if visit.pixels is None or model.direction == "decode":
            return replace(visit, prediction=None)
        try:
            prediction = self.explorer.predict(
                visit.pixels, visit.state.model, visit.state.subject, cancelled=visit.left
            )
        except Exception as error:  # noqa: BLE001  as above
            return replace(visit, prediction=None, error=str(told(error, visit.state.model)))
        shown = replace(visit, prediction=prediction)
        if visit.state.roi not in self.rois_of(shown):
            shown = replace(shown, state=replace(shown.state, roi=None))
        return shown

    def _decoded(self, visit: Visit, pattern: Any, name: str | None) -> Visit:
        state = visit.state
        result = self.explorer.decode(
            pattern, state.model, state.subject, samples=SAMPLES, seed=0, cancelled=visit.left
        )
        return replace(visit, decoded=result, pattern=name, given=pattern)


def _named(examples: list[Example], name: str, what: str) -> Example:
    for example in examples:
        if example.name == name:
            return example
    raise UnknownNameError(what, str(name), [example.name for example in examples])
