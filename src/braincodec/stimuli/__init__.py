"""Stimulus sets: ordered images with ids, read lazily from wherever they lie."""

from braincodec.stimuli.batch import BadStimulus, Batch
from braincodec.stimuli.stimulus_set import StimulusSet

__all__ = ["BadStimulus", "Batch", "StimulusSet"]
