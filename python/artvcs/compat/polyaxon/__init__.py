"""Calls of Polyaxon over `artvcs`, for versions and for tracking.

Change the import lines: `from artvcs.compat.polyaxon.client import ProjectClient`, and
`from artvcs.compat.polyaxon import tracking`.
"""

from __future__ import annotations

from . import tracking
from .client import ProjectClient, V1Stages

__all__ = ["ProjectClient", "V1Stages", "tracking"]
