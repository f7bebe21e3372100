"""Scores of predictions against measurements, for encoding and decoding."""
