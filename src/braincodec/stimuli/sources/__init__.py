"""Where the images of a stimulus set lie: one class for each kind of place."""

from braincodec.stimuli.sources.array import InMemoryArray
from braincodec.stimuli.sources.base import ArraySource, EncodedSource, Source
from braincodec.stimuli.sources.files import ImageFiles
from braincodec.stimuli.sources.hdf5 import Hdf5Dataset
from braincodec.stimuli.sources.npy import NpyFile
from braincodec.stimuli.sources.npz import open_npz
from braincodec.stimuli.sources.zip import ZipOfImages

__all__ = [
    "ArraySource", "EncodedSource", "Hdf5Dataset", "ImageFiles", "InMemoryArray", "NpyFile", "Source", "ZipOfImages",
    "open_npz",
]  # fmt: skip
