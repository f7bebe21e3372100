"""The network that a training of the fMRI autoencoder starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from braincodec.errors import InputTypeError, InputValueError
from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.models.lea.fmri_autoencoder.trunk import Trunk, read_trunk, trunk_of, trunk_shapes

if TYPE_CHECKING:
    from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings

Start = FMRIAutoencoder | str | Path


def read_start(start: Start | None, settings: FMRIAutoencoderSettings) -> Trunk | None:
    """Weights to start from; None for a new network.

    Raises
    ------
    InputTypeError, InputValueError
        When `start` is something else, or its sizes are not those that the settings give.
    """
    if start is None:
        return None
    if not isinstance(start, Start):
        raise InputTypeError(f"start must be an FMRIAutoencoder or a path, not {type(start).__name__}")
    trunk = trunk_of(start) if isinstance(start, FMRIAutoencoder) else read_trunk(start)
    _check_sizes(trunk, settings, "the network to start from" if isinstance(start, FMRIAutoencoder) else str(start))
    return trunk


def first_network(
    voxels: Sequence[int], settings: FMRIAutoencoderSettings, trunk: Trunk | None, subject: str
) -> FMRIAutoencoder:
    """A network for regions of so many voxels: new, or over a trunk.

    Embeddings of the trunk are taken where they are this subject's, or where it is not known whose they are, and
    regions have the same voxels; others are new. Random numbers come from torch's global generator.

    Parameters
    ----------
    voxels : sequence of int
    settings : FMRIAutoencoderSettings
    trunk : Trunk, optional
        As `read_start` gives it.
    subject : str
        ``"<data set>/<subject>"``.
    """
    sizes = settings.network(voxels) if trunk is None else trunk.config
    network = FMRIAutoencoder(sizes.model_copy(update={"voxels": tuple(voxels), "dropout": settings.dropout}))
    keep_variance(network, whole=trunk is None)
    if trunk is not None:
        known_voxels, known = trunk.embeddings.get(subject) or trunk.embeddings.get("") or ((), {})
        own = known if known_voxels == tuple(voxels) else {}
        network.load_state_dict(network.state_dict() | trunk.weights | own)
    return network


def keep_variance(network: FMRIAutoencoder, *, whole: bool) -> None:
    """Draw convolutions anew, so that what they give varies as much as what they take (He et al. 2015).

    The published ones start so small that a class token hears nothing of the voxels: training then waits for many
    epochs, or for ever.

    Parameters
    ----------
    network : FMRIAutoencoder
    whole : bool
        That of the decoder too, which belongs to the trunk.
    """
    convolutions = [module for module in network.patch_embed.modules() if isinstance(module, nn.Conv1d)]
    for convolution in [*convolutions, network.decoder_pred] if whole else convolutions:
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="linear")


def _check_sizes(trunk: Trunk, settings: FMRIAutoencoderSettings, what: str) -> None:
    from braincodec.models.lea.checkpoints import shape_differences

    theirs = trunk.config.model_dump()
    others = [
        f"{name} {theirs[name]}, not {size}" for name, size in settings.given_sizes.items() if theirs[name] != size
    ]
    if not others:
        return
    expected = trunk_shapes(FMRIAutoencoderConfig.parse({**theirs, **settings.given_sizes}))
    found = trunk_shapes(trunk.config)
    differing = f"; {shape_differences(found, expected)}" if found != expected else ""
    raise InputValueError(
        f"{what} has other sizes than the settings ({', '.join(others)}){differing}; leave sizes out to take its own"
    )
