"""Names that third parties can add to."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.registry import Registry


def test_built_in_names_are_imported_when_asked_for():
    registry = Registry("shape", built_in={"path": "pathlib:Path", "join": "os:path.join", "json": "json"})
    assert registry.names() == ["join", "json", "path"]
    assert registry.get("path").__name__ == "Path"
    assert registry.get("join")("a", "b") == "a/b"
    assert registry.get("json").dumps([1]) == "[1]"


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown shape 'pth'; did you mean 'path'"):
        Registry("shape", built_in={"path": "pathlib:Path"}).get("pth")


def test_wild_cards_list_names():
    registry = Registry("shape", built_in={"a1": "m:x", "a2": "m:x", "b1": "m:x"})
    assert registry.names("a*") == ["a1", "a2"]
    assert "b1" in registry
    assert "c" not in registry
    assert list(registry) == ["a1", "a2", "b1"]


def test_a_name_cannot_be_taken_by_another_object():
    registry = Registry("shape", built_in={"path": "pathlib:Path"})
    with pytest.raises(InputValueError, match="'path' is pathlib:Path already"):
        registry.register("path")(dict)

    class Circle: ...

    assert registry.register("circle")(Circle) is Circle
    registry.register("circle")(Circle)  # a module that is loaded again
    with pytest.raises(InputValueError, match="already"):
        registry.register("circle")(dict)


def test_entry_points_join_and_built_in_names_win(monkeypatch):
    points = [
        metadata.EntryPoint("theirs", "collections:OrderedDict [extra]", "braincodec.shapes"),
        metadata.EntryPoint("path", "os:system", "braincodec.shapes"),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points if group == "braincodec.shapes" else [])
    registry = Registry("shape", "braincodec.shapes", {"path": "pathlib:Path"})
    assert registry.names() == ["path", "theirs"]
    assert registry.get("theirs").__name__ == "OrderedDict"
    assert registry.get("path").__name__ == "Path"


def test_an_entry_point_that_cannot_be_loaded_is_named(monkeypatch):
    point = metadata.EntryPoint("theirs", "no_such_package_at_all:Thing", "braincodec.shapes")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
    with pytest.raises(InputValueError, match="shape 'theirs' should be no_such_package_at_all:Thing"):
        Registry("shape", "braincodec.shapes").get("theirs")


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """A small installed package that brings a kind of model, a backbone and a format."""
    (tmp_path / "their_package.py").write_text("class TheirModel: ...\ndef backbone(name, weights): return name\n")
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[braincodec.models]\ntheir_model = their_package:TheirModel\n\n"
        "[braincodec.backbones]\ntheir_scheme = their_package:backbone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("their_package", None)


@pytest.mark.usefixtures("third_party")
def test_an_installed_package_joins_without_a_change_here():
    models = Registry("kind of model", "braincodec.models")
    backbones = Registry("backbone scheme", "braincodec.backbones")
    assert models.get("their_model").__name__ == "TheirModel"
    assert backbones.get("their_scheme")("x", None) == "x"
    assert "their_package" in sys.modules
