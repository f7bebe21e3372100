"""Bundled photographs."""

from __future__ import annotations

import socket

import pytest

from braincodec import simulate
from braincodec.errors import UnknownNameError
from braincodec.simulate import photos

pytest.importorskip("skimage")
pytest.importorskip("sklearn")


def test_every_photograph_is_on_disk_and_needs_no_network(monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("a photograph was looked for on the network")

    monkeypatch.setattr(socket, "socket", refuse)
    photos.photograph.cache_clear()
    for name in photos.photograph_names():
        pixels = photos.photograph(name)
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert min(pixels.shape[:2]) >= 150
        assert not pixels.flags.writeable


def test_every_photograph_states_licence_and_author():
    rows = simulate.photograph_licences()
    assert [row["name"] for row in rows] == photos.photograph_names()
    assert all(row["licence"] and row["author"] and row["source"] for row in rows)
    assert {row["part"] for row in rows} == {"train", "validation", "test"}


def test_whole_photographs_are_scenes():
    names = list(simulate.photographs())
    assert {"astronaut", "chelsea", "china", "coffee", "flower"} <= set(names)
    assert "gravel" not in names


def test_squares_are_of_one_size():
    squares = simulate.square_photographs(["astronaut", "china"], size=96)
    assert {image.shape for image in squares.values()} == {(96, 96, 3)}


def test_a_misspelt_photograph_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'chelsea'"):
        simulate.photographs(["chelsee"])
