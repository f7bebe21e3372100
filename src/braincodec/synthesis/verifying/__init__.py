"""Checking a store against what was planned and recorded."""
