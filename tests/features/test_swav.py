"""SwAV's published file: found in torch hub's folder, read safely, its heads left out."""

from __future__ import annotations

import pytest
import torch

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.features import FeatureExtractor, get_backbone

FILE = "swav_800ep_pretrain.pth.tar"


def published(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As the training script wrote it: data-parallel names, projection head and prototypes."""
    heads = {
        "projection_head.0.weight": torch.zeros(4, 2048),
        "projection_head.1.running_mean": torch.zeros(4),
        "prototypes.weight": torch.zeros(3, 4),
    }
    return {f"module.{name}": tensor for name, tensor in (state | heads).items()}


def test_the_published_file_is_found_in_the_hub_folder(torchvision, offline):
    expected = get_backbone("swav:resnet50@none-9")
    folder = offline / "torch" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(published(expected.module.state_dict()), folder / FILE)
    found = get_backbone("swav:resnet50")
    assert found.fingerprint() == expected.fingerprint()
    assert found.weights == f"facebookresearch/swav ({FILE})"
    assert get_backbone(f"swav:resnet50@{folder / FILE}").fingerprint() == expected.fingerprint()


def test_features_end_at_the_pooled_layer(torchvision):
    extractor = FeatureExtractor({"backbone": "swav:resnet50@none", "layers": "avgpool"})
    assert extractor.feature_shapes() == {"avgpool": (2048,)}


def test_the_trunk_is_torchvisions_with_the_same_seed(torchvision):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        reference = torchvision.models.resnet50(weights=None)
    state = get_backbone("swav:resnet50@none-3").module.state_dict()
    assert all(torch.equal(tensor, reference.state_dict()[name]) for name, tensor in state.items())
    assert set(reference.state_dict()) - set(state) == {"fc.weight", "fc.bias"}


def test_without_file_or_network_the_error_names_the_address(torchvision, offline):
    with pytest.raises(MissingFileError, match=FILE):
        get_backbone("swav:resnet50")


class Hostile:
    def __reduce__(self):
        return (print, ("executed",))


def test_hostile_and_foreign_files_are_refused(torchvision, offline, capsys):
    folder = offline / "torch" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"module.conv1.weight": Hostile()}, folder / FILE)
    with pytest.raises(DamagedFileError, match="cannot be read as plain tensors"):
        get_backbone("swav:resnet50")
    assert "executed" not in capsys.readouterr().out
    torch.save({"module.conv1.weight": torch.zeros(64, 3, 7, 7)}, folder / FILE)
    with pytest.raises(InputValueError, match="missing"):
        get_backbone("swav:resnet50")


def test_unknown_names_are_answered_with_known_ones(torchvision):
    with pytest.raises(UnknownNameError, match="available: resnet50"):
        get_backbone("swav:resnet18")
    with pytest.raises(UnknownNameError, match="available: none"):
        get_backbone("swav:resnet50@800ep")
