"""The current run of a script, under the names of Polyaxon's `tracking`.

```python
>>> import artvcs as art, pathlib
>>> _ = art.init(".")
>>> _ = pathlib.Path("view.csv").write_text("1,2")
>>> from artvcs.compat.polyaxon import tracking
>>> run = tracking.init(name="train")
>>> _ = tracking.log_artifact_ref("view.csv", name="dataset-view")
>>> tracking.promote_to_artifact_version(version="rc2", artifacts=["dataset-view"]).name
'rc2'
>>> tracking.end()
>>> run.info.status
'succeeded'

```
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ... import InvalidError, Run, StrPath, Version
from ... import run as start
from ...records import LineageEntry

__all__ = ["end", "init", "log_artifact_ref", "log_tags", "promote_to_artifact_version"]

_run: Run | None = None


def init(name: str | None = None, tags: str | Iterable[str] = ()) -> Run:
    """Starts a run, or attaches to the run of `ART_RUN`. Without `end`, it ends with the script."""
    global _run
    if _run is not None and _run.is_open:
        _run.finish()
    _run = start(name, tags=tags)
    return _run


def _current() -> Run:
    if _run is None:
        raise InvalidError("no run is tracked", "start one: tracking.init()")
    return _run


def log_artifact_ref(
    path: StrPath,
    name: str | None = None,
    kind: str | None = None,
    summary: Mapping[str, Any] | None = None,
    is_input: bool = False,
) -> LineageEntry:
    """Names an artifact. A local output is uploaded to the run first; an input is not."""
    run = _current()
    if is_input or not os.path.lexists(path):
        return run.log_artifact_ref(path, name, kind=kind, summary=summary, is_input=is_input)
    return run.log_artifact(path, name, kind=kind, summary=summary)


def log_tags(tags: str | Iterable[str], reset: bool = False) -> None:
    """Adds tags to the run, or replaces all tags."""
    _current().log_tags(tags, reset=reset)


def promote_to_artifact_version(
    version: str,
    description: str | None = None,
    tags: str | Iterable[str] | None = None,
    content: Any = None,
    artifacts: Iterable[str] | None = None,
    force: bool = False,
) -> Version:
    """Registers the run as a version."""
    return _current().promote_to_artifact_version(
        version,
        description=description,
        tags=tags,
        content=content,
        artifacts=artifacts or (),
        force=force,
    )


def end() -> None:
    """Ends the run as succeeded. The end of an attached run belongs to its owner."""
    global _run
    run = _current()
    if run.is_open:
        run.finish(exit_code=0)
    _run = None
