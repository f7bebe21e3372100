"""Anybody's recordings: images, responses in the formats that labs keep them in, and a table that links them."""

from braincodec.datasets.own.dataset import Own

__all__ = ["Own"]
