"""Calls of dstack over `artvcs`: `from artvcs.compat.dstack import artifacts`."""

from __future__ import annotations

from . import artifacts

__all__ = ["artifacts"]
