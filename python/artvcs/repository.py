"""A repository: uploads, downloads, history, versions and remotes.

```python
>>> import artvcs as art, pathlib
>>> repo = art.init("work", project="ada/digits")
>>> _ = pathlib.Path("work/weights.bin").write_bytes(b"0.1 0.2 0.3")
>>> repo.upload("work/weights.bin", message="first model").files
1
>>> repo.download("HEAD", "copy").written
1
>>> [entry.message for entry in repo.log()]
['first model']

```
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ._calls import Place, ProgressCallback, StrPath, call
from .errors import ConflictError
from .records import (
    Diff,
    DownloadResult,
    FetchResult,
    FsckResult,
    LogEntry,
    PullResult,
    PushResult,
    RemoteInfo,
    RunInfo,
    Status,
    TagInfo,
    TagResult,
    UndoResult,
    UploadResult,
)
from .run import Run, current_run, start
from .snapshot import Snapshot
from .versions import Versions

__all__ = ["Repository", "clone", "init", "repo"]


def init(path: StrPath = ".", *, project: str | None = None) -> Repository:
    """Creates a repository in a directory, or opens the one that is there.

    Args:
        path: The directory, which is created if it is missing.
        project: The default project, `OWNER/PROJECT`.

    ```python
    >>> import artvcs as art
    >>> art.init("work", project="ada/digits").project
    'ada/digits'

    ```
    """
    options = {"path": os.fspath(path), "project": project}
    made = call(Place(None, None), "init", options)
    return Repository(os.path.abspath(os.path.join(os.getcwd(), str(made["directory"]))))


def clone(
    uri: str,
    path: StrPath,
    *,
    full: bool = False,
    remote: str = "origin",
    project: str | None = None,
    progress: ProgressCallback | None = None,
) -> Repository:
    """Downloads the history of a remote to a new repository. Content follows when it is needed.

    Args:
        uri: The remote: a directory, or a URI such as `s3://bucket/prefix`.
        path: The directory of the new repository.
        full: Downloads all content too.
        remote: The name of the remote in the new repository.
        project: The default project of the new repository.
        progress: Receives the progress.
    """
    options = {"uri": uri, "path": os.fspath(path), "full": full, "remote": remote}
    call(Place(None, project), "clone", options, progress=progress)
    return repo(path)


def repo(
    path: StrPath | None = None, *, project: str | None = None, hooks: bool = True
) -> Repository:
    """Opens the repository of a directory or of one above it.

    Args:
        path: Where to look. By default `ART_DIR`, otherwise the working directory.
        project: The project, instead of the configured one.
        hooks: With false, no local hooks run.

    Raises:
        NotARepositoryError: No repository is there.
    """
    if path is None:
        place = Place(None, project, hooks)
    else:
        place = Place(_find(os.path.abspath(os.fspath(path))), project, hooks)
    found = call(place, "find", {})
    return Repository(os.path.abspath(str(found["directory"])), project=project, hooks=hooks)


def _find(start: str) -> str:
    """Returns the directory of the repository that `start` is in. Errors name `start`."""
    if os.path.basename(start) == ".artifacts":
        return start
    current = start
    while not os.path.isdir(os.path.join(current, ".artifacts")):
        parent = os.path.dirname(current)
        if parent == current:
            return os.path.join(start, ".artifacts")
        current = parent
    return os.path.join(current, ".artifacts")


def download(
    place: Place,
    rev: str,
    to: StrPath,
    *,
    paths: Iterable[str] = (),
    force: bool = False,
    unsafe_links: bool = False,
    allow_disabled: bool = False,
    dry_run: bool = False,
    progress: ProgressCallback | None = None,
) -> DownloadResult:
    """Writes the files of a revision to a directory."""
    options = {
        "rev": rev,
        "to": os.fspath(to),
        "paths": list(paths),
        "force": force,
        "unsafe_links": unsafe_links,
        "allow_disabled": allow_disabled,
        "dry_run": dry_run,
    }
    return DownloadResult(call(place, "download", options, progress=progress))


class Repository:
    """A repository. It keeps no file open and no lock, so it can be pickled and used after a fork.

    Made by `art.init`, `art.repo` and `art.clone`.
    """

    def __init__(self, directory: str, *, project: str | None = None, hooks: bool = True) -> None:
        self._place = Place(directory, project, hooks)
        self._project: str | None = None

    @property
    def directory(self) -> str:
        """The directory of the repository itself: `…/.artifacts`."""
        return str(self._place.directory)

    @property
    def top(self) -> str:
        """The directory next to the repository: the top of the work tree."""
        return os.path.dirname(self.directory)

    @property
    def project(self) -> str:
        """The project of names without a project, `OWNER/PROJECT`."""
        if self._project is None:
            self._project = str(call(self._place, "find", {})["project"])
        return self._project

    @property
    def versions(self) -> Versions:
        """The versions."""
        return Versions(self)

    def with_project(self, project: str) -> Repository:
        """Returns the same repository with another project."""
        return Repository(self.directory, project=project, hooks=self._place.hooks)

    def __repr__(self) -> str:
        return f"Repository({self.directory!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Repository) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    def run(
        self,
        name: str | None = None,
        *,
        description: str = "",
        tags: str | Iterable[str] = (),
        outputs: Iterable[StrPath] = (),
        command: Iterable[str] | None = None,
        attach: bool = True,
        exact: bool = False,
        export: bool = True,
    ) -> Run:
        """Starts a run. See `art.run`."""
        return start(
            self,
            name,
            description=description,
            tags=tags,
            outputs=outputs,
            command=command,
            attach=attach,
            exact=exact,
            export=export,
        )

    def runs(
        self,
        query: str = "",
        *,
        sort: str = "-created_at",
        limit: int | None = None,
        offset: int = 0,
    ) -> list[RunInfo]:
        """Lists the runs that match a query, such as `"status: failed, tags: gpu"`."""
        options = {"query": query, "sort": sort, "limit": limit, "offset": offset}
        return [RunInfo(raw) for raw in call(self._place, "runs", options)]

    def get_run(self, name: str) -> Run:
        """Finds a run by its name.

        Raises:
            NotFoundError: The run does not exist.
        """
        found = call(self._place, "run_show", {"run": name})
        return Run(self, str(found["name"]))

    def _current(self, run: str | None) -> str | None:
        """Returns the name of the run to write to; `None` for the run of `ART_RUN` or `HEAD`."""
        if run is not None:
            return run
        current = current_run()
        is_mine = current is not None and current._repository.directory == self.directory
        return current.name if current is not None and is_mine else None

    def upload(
        self,
        *paths: StrPath,
        run: str | None = None,
        to: str | None = None,
        tag: str | None = None,
        message: str | None = None,
        merge: bool = False,
        ignore: bool = True,
        keep_going: bool = False,
        progress: ProgressCallback | None = None,
    ) -> UploadResult:
        """Uploads files and directories to a run, as one commit.

        Args:
            paths: The files and directories; by default, the work tree.
            run: The run; by default, the current run, or a new one if there is none.
            to: The destination in the run. `/` is the root; a final slash means "into".
            tag: A tag for the commit.
            message: The message of the commit.
            merge: Keeps the files of a directory that exist only in the run.
            ignore: With false, ignore files do not count.
            keep_going: Leaves out files that cannot be read, and lists them in `failed`.
            progress: Receives the progress.
        """
        options = {
            "paths": [os.fspath(path) for path in paths],
            "run": self._current(run),
            "to": to,
            "tag": tag,
            "message": message,
            "merge": merge,
            "ignore": ignore,
            "keep_going": keep_going,
            "dry_run": False,
        }
        return UploadResult(call(self._place, "upload", options, progress=progress))

    def write(
        self,
        path: str,
        data: bytes | bytearray | memoryview | str,
        *,
        run: str | None = None,
        message: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> UploadResult:
        """Stores bytes or text as a file of a run, as one commit.

        ```python
        >>> import artvcs as art
        >>> repo = art.init("work")
        >>> repo.write("notes/today.txt", "it works").run == repo.runs()[0].name
        True

        ```
        """
        options: dict[str, Any] = {
            "paths": [],
            "run": self._current(run),
            "to": path,
            "tag": None,
            "message": message,
            "merge": False,
            "ignore": True,
            "keep_going": False,
            "dry_run": False,
        }
        given = data.encode() if isinstance(data, str) else bytes(data)
        return UploadResult(call(self._place, "upload", options, given, progress))

    def download(
        self,
        rev: str = "HEAD",
        to: StrPath = ".",
        *,
        paths: Iterable[str] = (),
        force: bool = False,
        unsafe_links: bool = False,
        allow_disabled: bool = False,
        dry_run: bool = False,
        progress: ProgressCallback | None = None,
    ) -> DownloadResult:
        """Writes the files of a revision to a directory. Every byte is checked.

        Args:
            rev: The revision, such as `v1`, `@production`, `run/NAME`, `tag/NAME` or `HEAD~1`.
            to: The directory.
            paths: Only these files and directories of the revision.
            force: Overwrites files that differ.
            unsafe_links: Writes links that lead out of the directory.
            allow_disabled: Allows a disabled version.
            dry_run: Writes nothing.
            progress: Receives the progress.

        Raises:
            RefusedError: A file differs, and `force` is not set.
        """
        return download(
            self._place,
            rev,
            to,
            paths=paths,
            force=force,
            unsafe_links=unsafe_links,
            allow_disabled=allow_disabled,
            dry_run=dry_run,
            progress=progress,
        )

    def at(self, rev: str = "HEAD") -> Snapshot:
        """Returns the files of a revision, read-only.

        Raises:
            NotFoundError: The revision does not exist.
        """
        return Snapshot(self._place, call(self._place, "show", {"rev": rev}))

    def log(
        self,
        rev: str | None = None,
        *,
        paths: Iterable[str] = (),
        all: bool = False,
        limit: int | None = None,
    ) -> list[LogEntry]:
        """Lists the commits of a revision, the newest first; with `all`, of all refs."""
        options = {"rev": rev, "paths": list(paths), "all": all, "limit": limit, "stat": False}
        return [LogEntry(raw) for raw in call(self._place, "log", options)]

    def diff(self, a: str, b: str | None = None, *, paths: Iterable[StrPath] = ()) -> Diff:
        """Compares two revisions, or a revision and the work tree. False if they are equal.

        ```python
        >>> import artvcs as art
        >>> repo = art.init("work")
        >>> for text in ("one", "two"):
        ...     _ = repo.write("notes.txt", text)
        >>> [change["path"] for change in repo.diff("HEAD~1", "HEAD").changes]
        ['notes.txt']

        ```
        """
        options = {"a": a, "b": b, "paths": [os.fspath(path) for path in paths]}
        return Diff(call(self._place, "diff", options))

    def status(self, path: StrPath | None = None, *, rev: str | None = None) -> Status:
        """Compares the work tree, or a path in it, with the newest commit of the run."""
        options = {"path": None if path is None else os.fspath(path), "rev": rev}
        return Status(call(self._place, "status", options))

    def tag(self, name: str, rev: str = "HEAD", *, force: bool = False) -> TagResult:
        """Names a commit. With `force`, moves an existing tag."""
        return TagResult(call(self._place, "tag", {"name": name, "rev": rev, "force": force}))

    def delete_tag(self, name: str) -> TagResult:
        """Deletes a tag. The commit stays."""
        return TagResult(call(self._place, "tag", {"name": name, "rev": None, "force": False}))

    def tags(self) -> list[TagInfo]:
        """Lists the tags, in the order of their names."""
        return [TagInfo(raw) for raw in call(self._place, "tags", {})]

    def undo(self, operation: str | None = None, *, dry_run: bool = False) -> UndoResult:
        """Reverts the newest operation, or the one with this id.

        Raises:
            ConflictError: A ref of the operation has moved since.
        """
        options = {"operation": operation, "dry_run": dry_run}
        return UndoResult(call(self._place, "undo", options))

    def fsck(
        self,
        *,
        full: bool = False,
        repair: bool = False,
        progress: ProgressCallback | None = None,
    ) -> FsckResult:
        """Verifies the repository; with `full`, every byte. The result is true if it is sound.

        ```python
        >>> import artvcs as art
        >>> bool(art.init("work").fsck(full=True))
        True

        ```
        """
        options = {"full": full, "repair": repair}
        return FsckResult(call(self._place, "fsck", options, progress=progress))

    def add_remote(self, name: str, uri: str) -> None:
        """Adds a remote: a directory, or a URI such as `s3://bucket/prefix`."""
        call(self._place, "remote_add", {"name": name, "uri": uri})

    def remotes(self) -> list[RemoteInfo]:
        """Lists the remotes."""
        return [RemoteInfo(raw) for raw in call(self._place, "remotes", {})]

    def push(
        self,
        *refs: str,
        remote: str | None = None,
        all: bool = False,
        force: bool = False,
        dry_run: bool = False,
        progress: ProgressCallback | None = None,
    ) -> PushResult:
        """Sends local changes to a remote in one atomic step.

        Raises:
            ConflictError: The remote has moved; pull first.
        """
        options = {
            "remote": remote,
            "refs": list(refs),
            "all": all,
            "force": force,
            "dry_run": dry_run,
        }
        raw = call(self._place, "push", options, progress=progress)
        _raise_conflicts(raw, PushResult(raw))
        return PushResult(raw)

    def fetch(
        self, remote: str | None = None, *, progress: ProgressCallback | None = None
    ) -> FetchResult:
        """Downloads history and refs from a remote."""
        return FetchResult(call(self._place, "fetch", {"remote": remote}, progress=progress))

    def pull(
        self,
        *refs: str,
        remote: str | None = None,
        full: bool = False,
        path: StrPath | None = None,
        progress: ProgressCallback | None = None,
    ) -> PullResult:
        """Fetches from a remote and merges.

        Args:
            refs: Only these runs and versions.
            remote: The remote; by default, the default remote.
            full: Downloads all content too.
            path: Writes the files of a pulled version to this directory.
            progress: Receives the progress.

        Raises:
            ConflictError: Both sides changed the same thing. `result` has the conflicts.
        """
        options = {
            "remote": remote,
            "refs": list(refs),
            "full": full,
            "path": None if path is None else os.fspath(path),
        }
        raw = call(self._place, "pull", options, progress=progress)
        _raise_conflicts(raw, PullResult(raw))
        return PullResult(raw)


def _raise_conflicts(raw: dict[str, Any], result: PushResult | PullResult) -> None:
    """Raises if both sides changed the same thing."""
    conflicts = raw.get("conflicts") or []
    if conflicts:
        names = ", ".join(str(one.get("name")) for one in conflicts)
        error = ConflictError(
            f"both sides changed {names}", "resolve each: art resolve REF --take ours"
        )
        error.result = result
        raise error
