"""Servers on loopback, for every test of stores."""

from .bucket import bucket, native, opened, server
from .hub_server import hub

__all__ = ["bucket", "hub", "native", "opened", "server"]
