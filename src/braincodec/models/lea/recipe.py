"""How a LEA is trained."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from braincodec.config import Config
from braincodec.features.pooling import Pooling
from braincodec.image_generators.base import IMAGE_GENERATORS
from braincodec.models.lea.alignment import FieldSettings, JointSettings, RetrievalSettings
from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings
from braincodec.models.lea.fmri_latent import LatentKind
from braincodec.models.lea.image_embedding import PUBLISHED_EMBEDDING, EmbeddingChoice, UnitLength
from braincodec.models.lea.inversion import InversionSettings
from braincodec.models.lea.standardisation import Rule
from braincodec.models.lea.trials import Repetitions


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


# settings that have a seed of their own
TRAINED = ("autoencoder", "joint", "head")

Names = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]


class LEARecipe(Config):
    """Settings by which a `LEA` is trained; its page explains them."""

    shown_as: ClassVar[str] = "LEA"

    image_embedding: str = PUBLISHED_EMBEDDING
    embedding_layer: Names | None = None
    embedding_pooling: Pooling | None = None
    image_size: int | tuple[int, int] | None = None
    unit_length: UnitLength = "auto"
    fmri_latent: LatentKind = "autoencoder"
    components: int | None = Field(None, ge=1)
    generator: dict[str, Any] = Field(default_factory=lambda: {"kind": "maskgit"})
    autoencoder: FMRIAutoencoderSettings = FMRIAutoencoderSettings.parse({})
    pretrained: str | None = None
    finetune: bool = True
    alignment: Literal["ridge", "joint"] = "ridge"
    joint: JointSettings = JointSettings.parse({})
    encoding_readout: Literal["ridge", "fields"] = "ridge"
    fields: FieldSettings = FieldSettings.parse({})
    inversion: InversionSettings = InversionSettings.parse({})
    retrieval: Literal["alignment", "head"] = "alignment"
    head: RetrievalSettings = RetrievalSettings.parse({})
    alphas: float | tuple[float, ...] | None = None
    decoding_intercept: bool = True
    folds: int = Field(5, ge=2)
    rescale: Literal["training", "none"] = "training"
    encoding_rescale: Literal["training", "none"] = "none"
    preprocessing: Rule = "training"
    repetitions: Repetitions = "single"
    regions: Names | None = None
    held_out: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)

    @field_validator("generator", mode="before")
    @classmethod
    def _kind_and_settings(cls, generator: Any) -> Any:
        values = {"kind": generator} if isinstance(generator, str) else generator
        if not isinstance(values, dict) or not isinstance(values.get("kind"), str):
            raise ValueError("generator is a name, or settings with their kind: {'kind': 'retrieval', ...}")
        settings = {name: value for name, value in values.items() if name != "kind"}
        kind = IMAGE_GENERATORS.get(values["kind"])
        return {"kind": values["kind"], **kind.config_class.parse(settings).model_dump(mode="json")}

    @model_validator(mode="before")
    @classmethod
    def _one_seed(cls, values: Any) -> Any:
        """What is trained by gradients has the model's seed, unless it has its own; what was left out has defaults."""
        if not isinstance(values, dict):
            return values
        nested = {name for name, field in cls.model_fields.items() if isinstance(field.default, Config)}
        values = {name: value for name, value in values.items() if value is not None or name not in nested}
        seed = values.get("seed", 0)
        parts = {name: values.get(name) or {} for name in TRAINED}
        return values | {
            name: {"seed": seed} | part if isinstance(part, dict) else part for name, part in parts.items()
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fmri_latent != "autoencoder" and self.pretrained is not None:
            raise ValueError(f"pretrained belongs to fmri_latent 'autoencoder', not {self.fmri_latent!r}")
        if not self.finetune and self.pretrained is None:
            raise ValueError("finetune=False uses the autoencoder of pretrained as it is; give pretrained")
        if self.alignment == "joint" and not self.decoding_intercept:
            raise ValueError("joint alignment has an intercept both ways; decoding_intercept=False belongs to ridge")
        if self.alignment == "joint" and (self.encoding_readout == "fields" or self.inverts_encoding):
            raise ValueError("fields, and generators that invert the encoding direction, take alignment 'ridge'")
        if self.components is not None and self.fmri_latent != "components":
            raise ValueError(f"components belong to fmri_latent 'components', not {self.fmri_latent!r}")
        _ = self.embedding
        return self

    @property
    def embedding(self) -> EmbeddingChoice:
        """What embeds images."""
        return EmbeddingChoice(
            backbone=self.image_embedding,
            layers=self.embedding_layer,
            pooling=self.embedding_pooling,
            image_size=self.image_size,
        )

    @property
    def choices(self) -> tuple[EmbeddingChoice, ...]:
        """The features that training reads."""
        return (self.embedding,)

    @property
    def inverts_encoding(self) -> bool:
        """Whether the generator searches for images that explain patterns by the encoding direction."""
        return bool(IMAGE_GENERATORS.get(self.generator["kind"]).inverts_encoding)

    @property
    def generator_settings(self) -> dict[str, Any]:
        """Settings of the generator without its kind."""
        return {name: value for name, value in self.generator.items() if name != "kind"}
