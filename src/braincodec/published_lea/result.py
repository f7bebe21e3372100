"""What a run of the published inference gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braincodec.evaluation import Scores
    from braincodec.published_lea.plan import InferencePlan


@dataclass(eq=False)
class InferenceResult:
    """What `lea_inference` made.

    Attributes
    ----------
    path : Path
        The folder.
    plan : InferencePlan
    scores : Scores
        Of both directions.
    model : Path
        Of the model that was made, or that was given.
    images : list of list of Path
        Decoded samples of each test stimulus.
    responses : Path
        Predicted responses to the test stimuli, Zarr.
    sheet, report : Path
    figures : list of Path
        Response plots; none where matplotlib is absent.
    resumed : bool
        Whether an interrupted run was completed.
    """

    path: Path
    plan: InferencePlan
    scores: Scores
    model: Path
    images: list[list[Path]]
    responses: Path
    sheet: Path
    report: Path
    figures: list[Path]
    resumed: bool = False

    def __repr__(self) -> str:
        return f"<published inference of LEA in {self.path}>\n{self.scores!r}"


class Computed:
    """What a model answered for the test stimuli, in the form in which `braincodec.evaluate` asks a model.

    Parameters
    ----------
    model : LEA
    responses : DataArray
        Predicted, for all test stimuli.
    images : StimulusSet
        Decoded samples of all test stimuli.
    rescale : str
        By which rule they were decoded.
    """

    def __init__(self, model: Any, responses: Any, images: Any, rescale: str) -> None:
        self.model, self.responses, self.images, self.rescale = model, responses, images, rescale
        self.description, self.config = model.description, model.config

    def encode(self, stimuli: Any, *, rescale: str | None = None) -> Any:
        """The predicted responses, in the order of `stimuli`."""
        return self.responses.sel(stimulus=[str(item) for item in stimuli.ids])

    def decode(self, responses: Any, *, n_samples: int = 1, seed: int = 0, rescale: str | None = None) -> Any:
        """The decoded images."""
        return self.images

    def embed(self, stimuli: Any, *, device: str = "auto", progress: bool | None = None) -> Any:
        """Embeddings of images."""
        return self.model.embed(stimuli, device=device, progress=progress)

    def predict_embeddings(
        self, responses: Any, *, rescale: str | None = None, device: str = "auto", progress: bool | None = None
    ) -> Any:
        """Embeddings that responses speak of."""
        return self.model.predict_embeddings(responses, rescale=self.rescale, device=device, progress=progress)
