"""Scores of predicted responses."""
