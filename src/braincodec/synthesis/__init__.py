"""Responses of whole studies to whole stimulus sets: planned, run on many workers, resumed, verified."""
