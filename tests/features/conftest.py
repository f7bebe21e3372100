"""Networks small enough for tests, and torchvision whatever its build."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from braincodec.features.torchvision_compat import import_torchvision


@pytest.fixture(scope="session")
def torchvision():
    """Torchvision, imported with the work-around for missing operators; skips where it is absent."""
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    return import_torchvision()


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
