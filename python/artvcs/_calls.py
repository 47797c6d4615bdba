"""Calls into the extension module, with the surroundings of the moment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from . import _native

StrPath = str | os.PathLike[str]


class Progress(NamedTuple):
    """The progress of an operation, as a progress callback receives it.

    ```python
    >>> import artvcs as art
    >>> repo = art.init("work")
    >>> seen = []
    >>> _ = repo.write("notes.txt", "hello", progress=seen.append)
    >>> isinstance(seen[-1], art.Progress)
    True

    ```
    """

    phase: str
    done: int
    total: int | None
    unit: str


ProgressCallback = Callable[[Progress], object]


class Place(NamedTuple):
    """A repository: its directory, and the project if one was chosen."""

    directory: str | None
    project: str | None
    hooks: bool = True


def context(place: Place, cwd: str | None = None) -> _native.Context:
    """Reads the environment for one call. Relative paths start from `cwd`."""
    script = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    command = f"{script} (Python)"
    return _native.Context(
        dict(os.environ),
        os.getcwd() if cwd is None else cwd,
        place.directory,
        place.project,
        command,
        place.hooks,
    )


def call(
    place: Place,
    verb: str,
    options: dict[str, Any],
    data: bytes | None = None,
    progress: ProgressCallback | None = None,
    cwd: str | None = None,
) -> Any:
    """Runs a verb and returns its `--json` value."""
    watcher = None if progress is None else _throttled(progress)
    return _native.call(context(place, cwd), verb, options, data, watcher)


def _throttled(
    progress: ProgressCallback,
) -> Callable[[str, int, int | None, str, bool], None]:
    """Calls `progress` at most ten times a second, and at the end."""
    last = 0.0

    def watch(phase: str, done: int, total: int | None, unit: str, is_last: bool) -> None:
        nonlocal last
        now = time.monotonic()
        if is_last or now - last >= 0.1:
            last = now
            progress(Progress(phase, done, total, unit))

    return watch


def words(given: str | Iterable[str] | None) -> list[str]:
    """Takes `"a,b"` or a list of words."""
    if given is None:
        return []
    if isinstance(given, str):
        return [word.strip() for word in given.split(",") if word.strip()]
    return [str(word) for word in given]


def paths(given: Iterable[StrPath]) -> list[str]:
    """Takes paths as text."""
    return [os.fspath(path) for path in given]
