"""The published NED interface over braincodec: ``from ned.ned import NED``."""
