"""Copying models to and from other places: whole, checked, and going on where an interrupted copy stopped."""

from braincodec.transfer.fetch import fetch
from braincodec.transfer.plan import Transfer, TransferFile
from braincodec.transfer.push import push_artefact, push_artefacts

__all__ = ["Transfer", "TransferFile", "fetch", "push_artefact", "push_artefacts"]
