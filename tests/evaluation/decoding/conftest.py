"""Photographs, and torchvision whatever its build."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from braincodec.features.torchvision_compat import import_torchvision


@pytest.fixture(scope="session")
def torchvision():
    """Torchvision, imported before what imports it (torchmetrics, lpips); skips where it is absent."""
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    return import_torchvision()


@pytest.fixture(scope="session")
def photographs() -> np.ndarray:
    """Natural photographs, uint8 (n, 128, 128, 3)."""
    pytest.importorskip("skimage")
    from braincodec.simulate import square_photographs

    return np.stack(list(square_photographs(size=128).values()))


@pytest.fixture(scope="session")
def crops(photographs) -> np.ndarray:
    """Overlapping quarters of the photographs, uint8 (n, 64, 64, 3)."""
    corners = [(row, column) for row in (0, 64) for column in (0, 64)]
    return np.concatenate([photographs[:, row : row + 64, column : column + 64] for row, column in corners])


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No cached weights, and a network that answers nobody, at once."""
    import huggingface_hub.constants
    import torch

    def refuse(*_args, **_kwargs):
        raise OSError("no network in this test")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture(scope="session")
def filled_hub(torchvision, tmp_path_factory):
    """A torch hub folder with files of the published names and form, and seeded weights."""
    import torch

    from braincodec.features import get_backbone

    names = {
        "torchvision:alexnet@none-1": "alexnet-owt-7be5be79.pth",
        "torchvision:inception_v3@none-2": "inception_v3_google-0cc3c7bd.pth",
        "torchvision:efficientnet_b1@none-3": "efficientnet_b1-c27df63c.pth",
        "swav:resnet50@none-4": "swav_800ep_pretrain.pth.tar",
    }
    folder = tmp_path_factory.mktemp("torch-hub")
    (folder / "checkpoints").mkdir()
    for name, file in names.items():
        state = get_backbone(name).module.state_dict()
        if name.startswith("swav"):  # as the training script wrote it: data-parallel, with its heads
            heads = {"projection_head.0.weight": torch.zeros(8, 2048), "prototypes.weight": torch.zeros(3, 8)}
            state = {f"module.{key}": tensor for key, tensor in (state | heads).items()}
        torch.save(state, folder / "checkpoints" / file)
    return folder


@pytest.fixture
def hub(filled_hub, offline, monkeypatch):
    """That folder in place of the user's, and no network."""
    import torch

    monkeypatch.setattr(torch.hub, "_hub_dir", str(filled_hub))
    return filled_hub
