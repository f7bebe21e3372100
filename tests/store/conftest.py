"""Fixtures of the tests of stores at an address."""

from .bucket import bucket, native, opened, server

__all__ = ["bucket", "native", "opened", "server"]
