"""Version models, datasets and build outputs, the way git versions source.

```python
>>> import artvcs as art
>>> repo = art.init(".", project="ada/digits")
>>> with art.run("train") as run:
...     _ = run.write("model/weights.bin", b"0.1 0.2 0.3")
...     run.log(metrics={"accuracy": 0.91})
...     version = run.promote_to_artifact_version("v1")
>>> art.read_bytes("v1", "model/weights.bin")
b'0.1 0.2 0.3'

```
"""

from __future__ import annotations

from collections.abc import Iterable

from . import errors, records
from ._bin import find_art_bin
from ._calls import Progress, ProgressCallback, StrPath
from ._native import __version__
from .errors import (
    AlreadyExistsError,
    ArtError,
    CancelledError,
    ConflictError,
    CorruptError,
    InternalError,
    InvalidError,
    LockedError,
    NotARepositoryError,
    NotFoundError,
    PolicyError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedError,
)
from .records import DownloadResult, UploadResult
from .repository import Repository, clone, init, repo
from .run import Run, current_run
from .snapshot import Snapshot
from .versions import Version, Versions

__all__ = [
    "AlreadyExistsError",
    "ArtError",
    "CancelledError",
    "ConflictError",
    "CorruptError",
    "InternalError",
    "InvalidError",
    "LockedError",
    "NotARepositoryError",
    "NotFoundError",
    "PolicyError",
    "Progress",
    "ProgressCallback",
    "RefusedError",
    "Repository",
    "Run",
    "Snapshot",
    "StrPath",
    "UnauthorizedError",
    "UnavailableError",
    "UnsupportedError",
    "Version",
    "Versions",
    "__version__",
    "clone",
    "current_run",
    "download",
    "errors",
    "find_art_bin",
    "init",
    "read_bytes",
    "records",
    "repo",
    "run",
    "upload",
]


def run(
    name: str | None = None,
    *,
    project: str | None = None,
    description: str = "",
    tags: str | Iterable[str] = (),
    outputs: Iterable[StrPath] = (),
    command: Iterable[str] | None = None,
    attach: bool = True,
    exact: bool = False,
    export: bool = True,
) -> Run:
    """Starts a run in the repository of the working directory. Use it as a context manager.

    The run starts at the call and becomes the current run, with the words of this process, the
    user, the host and the commit of the source around it. If `ART_RUN` is set, the process is
    part of that run: this returns that run, and its owner ends it.

    Args:
        name: The name; by default, two words and a number. A taken name gets a number.
        project: The project, instead of the configured one.
        description: The description.
        tags: The tags, as a list or as `"a,b"`.
        outputs: Files and directories to upload when the run ends, even if it failed.
        command: The recorded words, instead of those of this process.
        attach: With false, `ART_RUN` does not count.
        exact: Refuses a taken name.
        export: With false, programs that this process starts are not part of the run.

    Raises:
        AlreadyExistsError: The name is taken, and `exact` is set.

    ```python
    >>> import artvcs as art
    >>> _ = art.init(".")
    >>> for _ in range(3):
    ...     with art.run("train") as run:
    ...         print(run.name)
    train
    train-2
    train-3

    ```
    """
    return repo(project=project).run(
        name,
        description=description,
        tags=tags,
        outputs=outputs,
        command=command,
        attach=attach,
        exact=exact,
        export=export,
    )


def upload(
    *paths: StrPath,
    run: str | None = None,
    to: str | None = None,
    tag: str | None = None,
    message: str | None = None,
) -> UploadResult:
    """Uploads files and directories to a run of the repository of the working directory.

    See `Repository.upload`.

    ```python
    >>> import artvcs as art, pathlib
    >>> _ = art.init(".")
    >>> _ = pathlib.Path("notes.txt").write_text("hello")
    >>> art.upload("notes.txt").files
    1

    ```
    """
    return repo().upload(*paths, run=run, to=to, tag=tag, message=message)


def download(
    rev: str = "HEAD",
    to: StrPath = ".",
    *,
    paths: Iterable[str] = (),
    force: bool = False,
) -> DownloadResult:
    """Writes the files of a revision to a directory. See `Repository.download`.

    ```python
    >>> import artvcs as art
    >>> _ = art.init(".").write("notes.txt", "hello")
    >>> art.download("HEAD", "copy").written
    1

    ```
    """
    return repo().download(rev, to, paths=paths, force=force)


def read_bytes(rev: str, path: str) -> bytes:
    """Reads a file of a revision. See `Snapshot.read_bytes`.

    ```python
    >>> import artvcs as art
    >>> _ = art.init(".").write("notes.txt", "hello")
    >>> art.read_bytes("HEAD", "notes.txt")
    b'hello'

    ```
    """
    return repo().at(rev).read_bytes(path)
