"""Images to brain responses, and brain responses to images."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# public names and the modules they come from, imported when first used: `import braincodec` stays light
_MODULE_OF_NAME = {
    "Dataset": "braincodec.datasets",
    "Encoder": "braincodec.models",
    "FwRF": "braincodec.models.fwrf",
    "GaussianFwRF": "braincodec.models.gaussian_fwrf",
    "JointEncoder": "braincodec.models",
    "LEA": "braincodec.models.lea.model",
    "LinearEncoder": "braincodec.models.linear",
    "Preprocessing": "braincodec.features",
    "Recording": "braincodec.datasets",
    "Scores": "braincodec.evaluation",
    "Synthesis": "braincodec.synthesis.run",
    "Split": "braincodec.datasets",
    "StimulusSet": "braincodec.stimuli",
    "Store": "braincodec.store",
    "Verification": "braincodec.synthesis.verifying.verification",
    "build_responses": "braincodec.responses",
    "decode_to": "braincodec.decoding",
    "evaluate": "braincodec.evaluation",
    "get_backbone": "braincodec.features",
    "lea_inference": "braincodec.published_lea",
    "load_dataset": "braincodec.datasets",
    "open_responses": "braincodec.responses",
    "open_store": "braincodec.store",
    "plan_synthesis": "braincodec.synthesis.run",
    "pretrain_fmri_autoencoder": "braincodec.models.lea.fmri_autoencoder.pretraining",
    "read_artefact": "braincodec.artefact",
    "responses_from_ned": "braincodec.store.responses_from_ned",
    "responses_to_ned": "braincodec.store.responses_to_ned",
    "synthesize": "braincodec.synthesis.run",
    "train": "braincodec.training",
    "verify": "braincodec.synthesis.verifying.store",
}
_MODULES = (
    "artefact",
    "compat",
    "control",
    "datasets",
    "decoding",
    "errors",
    "evaluation",
    "features",
    "legacy",
    "models",
    "report",
    "responses",
    "simulate",
    "store",
    "training",
    "transfer",
    "viz",
)

if TYPE_CHECKING:
    from braincodec.artefact import read_artefact
    from braincodec.datasets import Dataset, Recording, Split, load_dataset
    from braincodec.decoding import decode_to
    from braincodec.evaluation import Scores, evaluate
    from braincodec.features import Preprocessing, get_backbone
    from braincodec.models import Encoder, JointEncoder
    from braincodec.models.fwrf import FwRF
    from braincodec.models.gaussian_fwrf import GaussianFwRF
    from braincodec.models.lea.fmri_autoencoder.pretraining import pretrain_fmri_autoencoder
    from braincodec.models.lea.model import LEA
    from braincodec.models.linear import LinearEncoder
    from braincodec.published_lea import lea_inference
    from braincodec.responses import build_responses, open_responses
    from braincodec.stimuli import StimulusSet
    from braincodec.store import Store, open_store
    from braincodec.store.responses_from_ned import responses_from_ned
    from braincodec.store.responses_to_ned import responses_to_ned
    from braincodec.synthesis.run import Synthesis, plan_synthesis, synthesize
    from braincodec.synthesis.verifying.store import verify
    from braincodec.synthesis.verifying.verification import Verification
    from braincodec.training import train

__all__ = [
    "LEA",
    "Dataset",
    "Encoder",
    "FwRF",
    "GaussianFwRF",
    "JointEncoder",
    "LinearEncoder",
    "Preprocessing",
    "Recording",
    "Scores",
    "Split",
    "StimulusSet",
    "Store",
    "Synthesis",
    "Verification",
    "__version__",
    "build_responses",
    "decode_to",
    "evaluate",
    "get_backbone",
    "lea_inference",
    "load_dataset",
    "open_responses",
    "open_store",
    "plan_synthesis",
    "pretrain_fmri_autoencoder",
    "read_artefact",
    "responses_from_ned",
    "responses_to_ned",
    "synthesize",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF_NAME:
        return getattr(import_module(_MODULE_OF_NAME[name]), name)
    if name in _MODULES:
        return import_module(f"braincodec.{name}")
    raise AttributeError(f"module 'braincodec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
