"""Images that are the same picture: hashes, pairs that are alike, and groups of near copies."""

from braincodec.stimuli.copies.groups import near_copy_groups

__all__ = ["near_copy_groups"]
