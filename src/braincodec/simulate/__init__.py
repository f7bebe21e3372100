"""Simulated stimuli and subjects: ground truth is known, and nothing here was measured."""

from braincodec.simulate.demo_store import write_demo_store
from braincodec.simulate.eeg import SimulatedEEGSubject, eeg_subject
from braincodec.simulate.fmri import SimulatedFMRISubject, subject
from braincodec.simulate.geometry import simulated_units
from braincodec.simulate.images import split, stimuli
from braincodec.simulate.layouts.god_subject import write_god_subject
from braincodec.simulate.photos import photograph_licences, photographs, square_photographs
from braincodec.simulate.simulated import SimulatedSubject

__all__ = [
    "SimulatedEEGSubject",
    "SimulatedFMRISubject",
    "SimulatedSubject",
    "eeg_subject",
    "photograph_licences",
    "photographs",
    "simulated_units",
    "split",
    "square_photographs",
    "stimuli",
    "subject",
    "write_demo_store",
    "write_god_subject",
]
