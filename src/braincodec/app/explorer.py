"""Everything that the explorer page asks for, from any number of threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.app.catalogue import ModelChoice, model_choices
from braincodec.app.decoding import Decoded, check_request, decoding_work
from braincodec.app.examples import Example, example_patterns, example_photographs
from braincodec.app.gallery import Pictures, digest_of
from braincodec.app.kept import Kept
from braincodec.app.model_room import Key
from braincodec.app.patterns import read_pattern
from braincodec.app.predicting import Neighbour, Prediction
from braincodec.app.queueing import Line
from braincodec.app.serving import Serving
from braincodec.app.uploads import checked_pixels
from braincodec.errors import UnknownNameError
from braincodec.memory import free_main_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.stimuli import StimulusSet
    from braincodec.store import Store
    from braincodec.subjects import Subject

PREDICTION_BYTES = 256 * 2**20
DECODED_BYTES = 128 * 2**20
# of the memory that is free at the start
SHARE_FOR_MODELS, SHARE_FOR_GALLERIES = 0.5, 0.25
Cancelled = Callable[[], bool] | None


class Explorer:
    """Models of a store, ready to answer many people at once.

    Parameters
    ----------
    store : Store
    gallery : StimulusSet, optional
        Images to compare with and to search; default: those behind the store's generated responses where they are at
        hand, else those of the simulated data set.
    device : str
    most_waiting : int
        Requests that may wait; more are refused with `TooBusyError`.
    most_model_bytes, most_gallery_bytes : int, optional
        Of weights, and of responses to galleries, in memory. Default: a half and a quarter of what is free.

    Raises
    ------
    InputValueError
        When the store has no models.

    Notes
    -----
    Each model that is in use has a thread; photographs that wait together go through it together, and equal requests
    once. Who else asks changes a response only by the rounding of float32 (about a millionth of its size).

    Examples
    --------
    >>> from braincodec.simulate import square_photographs
    >>> from braincodec.store import open_store
    >>> pixels = square_photographs(["coffee"])["coffee"]
    >>> with Explorer(open_store("demo-output/store")) as explorer:  # doctest: +SKIP
    ...     prediction = explorer.predict(pixels, "fmri-simulated-gaussian_fwrf", 1)
    >>> prediction.responses.dims, prediction.simulated, prediction.rois[:2]  # doctest: +SKIP
    (('unit',), True, ['V1', 'V2'])
    """

    def __init__(
        self,
        store: Store,
        *,
        gallery: StimulusSet | None = None,
        device: str = "auto",
        most_waiting: int = 100,
        most_model_bytes: int | None = None,
        most_gallery_bytes: int | None = None,
    ) -> None:
        free = free_main_memory()
        self.store = store
        self._serving = Serving(
            store,
            {choice.id: choice for choice in model_choices(store)},
            gallery=gallery,
            device=device,
            line=Line(most_waiting),
            most_model_bytes=int(SHARE_FOR_MODELS * free) if most_model_bytes is None else most_model_bytes,
            most_gallery_bytes=int(SHARE_FOR_GALLERIES * free) if most_gallery_bytes is None else most_gallery_bytes,
        )
        self._predictions: Kept[NDArray[np.float32]] = Kept(PREDICTION_BYTES, lambda values: values.nbytes)
        self._decoded: Kept[Decoded] = Kept(DECODED_BYTES, lambda decoded: decoded.images.nbytes)

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all threads; whoever waits is told."""
        self._serving.close()

    @property
    def models(self) -> list[ModelChoice]:
        """The store's models, those that cannot be opened included: their `problem` says why."""
        return list(self._serving.choices.values())

    @property
    def waiting(self) -> int:
        """Requests that wait or are being computed."""
        return self._serving.line.waiting

    def model(self, name: str) -> ModelChoice:
        """The facts about one model.

        Raises
        ------
        UnknownNameError
        """
        choices = self._serving.choices
        if name not in choices:
            raise UnknownNameError("model", name, choices)
        return choices[name]

    def predict(
        self, pixels: NDArray[np.uint8], model: str, subject: Subject = 1, *, cancelled: Cancelled = None
    ) -> Prediction:
        """Responses of one subject to one photograph.

        Parameters
        ----------
        pixels : array of uint8, shape (height, width, 3)
            As `read_upload` gives them; the encoder crops and resizes them as it was trained.
        model : str
        subject : int or str
        cancelled : callable, optional
            Asked while waiting; True gives up the place in the line.

        Returns
        -------
        Prediction
            Bars have nothing to be compared with while the gallery is being encoded; ask again later.

        Raises
        ------
        TooBusyError
            When too many wait already.
        BraincodecError
            Whatever else goes wrong, in a sentence.
        """
        choice, key = self._chosen(model, subject)
        pixels = checked_pixels(pixels)
        digest = digest_of(pixels)
        values = self._predictions.get((key, digest))
        if values is None:
            values = self._serving.ask(key, digest, pixels, cancelled)
            self._predictions.put((key, digest), values)
        facts, reference = self._serving.facts[key], self._serving.references[key]
        return Prediction(
            model=model,
            subject=next(one for one in choice.subjects if str(one) == key[1]),
            modality=choice.modality,
            simulated=choice.simulated,
            image_digest=digest,
            responses=facts.labelled(values),
            roi_bars=reference.bars(facts, values),
            reference=reference.note,
            scaling=facts.scaling,
            missing=facts.missing,
        )

    def neighbours(self, prediction: Prediction, roi: str | None = None, count: int = 8) -> list[Neighbour]:
        """Images of the gallery that the brain answers most alike, the photograph itself left out.

        Parameters
        ----------
        prediction : Prediction
        roi : str, optional
            Compare over its units only (of EEG: over a group of channels); default: all.
        count : int

        Returns
        -------
        list of Neighbour
            The most similar first; empty while the gallery is being encoded (`Prediction.reference` says how far).

        Raises
        ------
        UnknownNameError
            For a region that the model has not.
        """
        reference = self._serving.references.get((prediction.model, str(prediction.subject)))
        if reference is None or not reference.ready or reference.neighbours is None or reference.pictures is None:
            return []
        # one more, for the photograph itself
        found = reference.neighbours.nearest(prediction.responses.values, roi, max(0, count) + 1)
        return _with_pictures(found, reference.pictures, prediction.image_digest)[: max(0, count)]

    def decode(
        self,
        pattern: NDArray[Any] | bytes | str | Path,
        model: str,
        subject: Subject = 1,
        *,
        samples: int = 1,
        seed: int = 0,
        cancelled: Cancelled = None,
    ) -> Decoded:
        """Images of what was seen.

        Parameters
        ----------
        pattern : array of shape (units,), or a .npy or .csv file
            In the scale of the recording that the model was fitted to.
        model : str
            One that decodes.
        subject : int or str
        samples : int
            1 to 8.
        seed : int
        cancelled : callable, optional
            As of `predict`.

        Returns
        -------
        Decoded

        Raises
        ------
        UploadError
            For a file that holds no such pattern.
        TooBusyError, BraincodecError
            As `predict`.
        """
        choice, key = self._chosen(model, subject)
        samples, seed = check_request(choice, samples, seed)
        template = self._serving.facts_of(key, cancelled).template.values
        values = read_pattern(pattern, template.size, free=~np.isfinite(template))
        galleries = self._serving.decoding_galleries
        name, work = decoding_work(values, samples, seed, self._serving.device, lambda: galleries.get(key))
        found = self._decoded.get((key, name))
        if found is None:
            images, nearest = self._serving.ask(key, name, work, cancelled)
            gallery, facts = galleries.get(key), self._serving.facts[key]
            complete = bool(nearest) or (gallery is None and self._serving.references[key].note.final)
            pictures = [] if gallery is None else _with_pictures(nearest, gallery.pictures)
            text = "" if gallery is None else gallery.text
            found = Decoded(images, pictures, choice.simulated, facts.about_images, text, complete)
            if complete:
                self._decoded.put((key, name), found)
        return found

    def examples(self, model: str | None = None, subject: Subject = 1) -> list[Example]:
        """Things to try.

        Parameters
        ----------
        model : str, optional
            A decoder: patterns for it. Default: photographs.
        subject : int or str

        Returns
        -------
        list of Example
        """
        if model is None or self.model(model).direction == "encode":
            return example_photographs()
        return example_patterns(self, self.model(model), subject)

    def prepare(self, model: str, subject: Subject = 1) -> None:
        """Load a model and let it encode the gallery in the background, before somebody asks; returns at once."""
        _, key = self._chosen(model, subject)
        self._serving.open(key)

    def _chosen(self, model: str, subject: Subject) -> tuple[ModelChoice, Key]:
        choice = self.model(model)
        if str(subject) not in {str(known) for known in choice.subjects}:
            raise UnknownNameError("subject", subject, choice.subjects, where=f"of {model}")
        return choice, (model, str(subject))


def _with_pictures(found: list[tuple[str, float]], pictures: Pictures, but: str = "") -> list[Neighbour]:
    """Neighbours with their small pictures; without the image of the digest `but`."""
    made = []
    for name, similarity in found:
        digest, picture = pictures.of(name) or ("", None)
        if not but or digest != but:
            made.append(Neighbour(name, similarity, picture))
    return made
