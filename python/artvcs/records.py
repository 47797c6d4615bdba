"""Results of calls. Each record is the `--json` value of the command, with types.

Every record has `to_dict()` with all keys, also keys that this version does not know.

```python
>>> import artvcs as art
>>> repo = art.init("work")
>>> result = repo.write("notes.txt", "hello")
>>> result.files, result.bytes
(1, 5)
>>> result.to_dict()["new_run"]
True

```
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar, overload

__all__ = [
    "Diff",
    "DownloadResult",
    "FetchResult",
    "FileInfo",
    "FsckResult",
    "LineageEntry",
    "LogEntry",
    "PullResult",
    "PushResult",
    "Record",
    "RemoteInfo",
    "RunInfo",
    "StageEntry",
    "StageResult",
    "Status",
    "TagInfo",
    "TagResult",
    "UndoResult",
    "UploadResult",
    "VersionInfo",
]

T = TypeVar("T")


class Record:
    """A result with typed attributes over the `--json` value."""

    __slots__ = ("_raw",)
    _raw: dict[str, Any]

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw

    def to_dict(self) -> dict[str, Any]:
        """Returns the `--json` value."""
        return self._raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._raw == other._raw

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{key}={value!r}"
            for key, value in self._raw.items()
            if isinstance(value, (str, int, float)) and value != ""
        )
        return f"{type(self).__name__}({shown})"


class _Field(Generic[T]):
    """An attribute that reads a key of the value, and `default` for a missing key or null."""

    def __init__(
        self, key: str, doc: str, convert: Callable[[Any], T], default: Callable[[], T]
    ) -> None:
        self.key, self.convert, self.default = key, convert, default
        self.__doc__ = doc

    @overload
    def __get__(self, record: None, owner: type[Record]) -> _Field[T]: ...
    @overload
    def __get__(self, record: Record, owner: type[Record]) -> T: ...
    def __get__(self, record: Record | None, owner: type[Record]) -> _Field[T] | T:
        if record is None:
            return self
        value = record.to_dict().get(self.key)
        return self.default() if value is None else self.convert(value)


def _text(key: str, doc: str) -> _Field[str]:
    return _Field(key, doc, str, str)


def _number(key: str, doc: str) -> _Field[int]:
    return _Field(key, doc, int, int)


def _flag(key: str, doc: str) -> _Field[bool]:
    return _Field(key, doc, bool, bool)


def _maybe(key: str, doc: str) -> _Field[str | None]:
    def nothing() -> str | None:
        return None

    return _Field[str | None](key, doc, str, nothing)


def _maybe_number(key: str, doc: str) -> _Field[int | None]:
    def nothing() -> int | None:
        return None

    return _Field[int | None](key, doc, int, nothing)


def _time(key: str, doc: str) -> _Field[datetime | None]:
    def nothing() -> datetime | None:
        return None

    return _Field[datetime | None](key, doc, datetime.fromisoformat, nothing)


def _texts(key: str, doc: str) -> _Field[list[str]]:
    return _Field[list[str]](key, doc, list, list)


def _dicts(key: str, doc: str) -> _Field[list[dict[str, Any]]]:
    return _Field[list[dict[str, Any]]](key, doc, list, list)


def _dict(key: str, doc: str) -> _Field[dict[str, Any]]:
    return _Field[dict[str, Any]](key, doc, dict, dict)


class UploadResult(Record):
    """The result of an upload."""

    __slots__ = ()
    run = _text("run", "The name of the run.")
    project = _text("project", "The project of the run.")
    new_run = _flag("new_run", "True if the upload created the run.")
    commit = _maybe("commit", "The commit; `None` if nothing changed.")
    tree = _text("tree", "The tree of the files of the run.")
    tag = _maybe("tag", "The tag that points at the commit.")
    files = _number("files", "The number of uploaded files and links.")
    bytes = _number("bytes", "Their total size.")
    ignored = _number("ignored", "The number of ignored files.")
    failed = _dicts("failed", "The files that could not be read, each with the reason.")


class DownloadResult(Record):
    """The result of a download."""

    __slots__ = ()
    written = _number("written", "The number of written files.")
    bytes = _number("bytes", "The number of written bytes.")
    unchanged = _number("unchanged", "The number of files that were already correct.")
    replaced = _texts("replaced", "The files that differed and were overwritten.")


class FileInfo(Record):
    """A file, link or directory of a snapshot."""

    __slots__ = ()
    path = _text("path", "The path from the top of the snapshot.")
    kind = _text("kind", "`file`, `executable`, `link` or `directory`.")
    mode = _text("mode", "The mode as git writes it, such as `100644`.")
    id = _text("id", "The id of the blob or tree, as git computes it.")
    size = _maybe_number("size", "The size in bytes; `None` for a directory.")


class LogEntry(Record):
    """A commit of a history."""

    __slots__ = ()
    commit = _text("commit", "The id of the commit.")
    parents = _texts("parents", "The ids of the parents.")
    refs = _texts("refs", "The refs that point at the commit.")
    author = _dict("author", "The author, with `name` and `email`.")
    time = _time("time", "When the commit was made.")
    message = _text("message", "The message.")
    changes = _dict("changes", "The numbers of changed files.")


class Diff(Record):
    """The differences between two revisions, or a revision and the work tree."""

    __slots__ = ()
    changes = _dicts("changes", "The changed files: `change`, `path`, `old`, `new`.")
    record = _dicts("record", "The changed fields of the record: `field`, `old`, `new`.")
    failed = _dicts("failed", "The files that could not be read.")

    def __bool__(self) -> bool:
        return bool(self.changes or self.record)


class Status(Record):
    """The changes of the work tree since the newest commit of the run."""

    __slots__ = ()
    reference = _maybe("reference", "The ref that the work tree is compared with.")
    commit = _maybe("commit", "The commit that the work tree is compared with.")
    changes = _dicts("changes", "The changed files.")
    added = _number("added", "The number of new files.")
    modified = _number("modified", "The number of changed files.")
    deleted = _number("deleted", "The number of deleted files.")


class RunInfo(Record):
    """A run as its record describes it."""

    __slots__ = ()
    name = _text("name", "The name.")
    project = _text("project", "The project.")
    uuid = _text("uuid", "The id, which a rename does not change.")
    status = _text("status", "`created`, `running`, `succeeded`, `failed` or `stopped`.")
    current = _flag("current", "True for the current run.")
    description = _text("description", "The description.")
    tags = _texts("tags", "The tags.")
    command = _texts("command", "The words of the command.")
    exit_code = _maybe_number("exit_code", "The exit code.")
    signal = _maybe("signal", "The signal that ended the run.")
    user = _maybe("user", "The user account.")
    host = _maybe("host", "The machine.")
    commit = _text("commit", "The newest commit.")
    author = _text("author", "The author of the newest commit.")
    created_at = _time("created_at", "When the run was created.")
    started_at = _time("started_at", "When the run started.")
    finished_at = _time("finished_at", "When the run finished.")
    updated_at = _time("updated_at", "When the run changed last.")


class LineageEntry(Record):
    """A named artifact of a run."""

    __slots__ = ()
    name = _text("name", "The name.")
    kind = _text("kind", "The kind: `model`, `file`, `dir`, …")
    path = _text("path", "The path in the run.")
    is_input = _flag("is_input", "True if the run used the artifact.")
    id = _maybe("id", "The id of the blob or tree.")
    summary = _dict("summary", "Facts with their types, such as an accuracy.")
    origin = _maybe("origin", "The version that an input came from.")


class TagInfo(Record):
    """A tag."""

    __slots__ = ()
    name = _text("name", "The name.")
    project = _text("project", "The project.")
    commit = _text("commit", "The commit that the tag points at.")
    time = _time("time", "When the commit was made.")
    message = _maybe("message", "The message of the commit.")


class TagResult(Record):
    """The result of setting or deleting a tag."""

    __slots__ = ()
    name = _text("name", "The name.")
    project = _text("project", "The project.")
    commit = _maybe("commit", "The commit of the tag; `None` if it was deleted.")
    previous = _maybe("previous", "The commit that the tag pointed at before.")


class VersionInfo(Record):
    """A row of the list of versions."""

    __slots__ = ()
    name = _text("name", "The name.")
    project = _text("project", "The project.")
    uuid = _text("uuid", "The id, which a rename does not change.")
    stage = _text("stage", "The stage.")
    kind = _text("kind", "`artifact` or `model`.")
    run = _text("run", "The run that the version was made from.")
    artifacts = _texts("artifacts", "The named artifacts in the version.")
    tags = _texts("tags", "The tags.")
    description = _text("description", "The description.")
    author = _text("author", "The author.")
    commit = _text("commit", "The newest commit of the version.")
    created_at = _time("created_at", "When the version was registered.")
    updated_at = _time("updated_at", "When the version changed last.")
    staged_at = _time("staged_at", "When the version entered its stage.")


class StageEntry(Record):
    """A recorded move of a version to a stage."""

    __slots__ = ()
    time = _time("time", "When the version moved.")
    version = _text("version", "The version.")
    origin = _maybe("from", "The stage before; `None` for a registration.")
    stage = _text("to", "The stage after.")
    author = _text("author", "Who moved the version.")
    reason = _text("reason", "The reason, a word for programs.")
    message = _text("message", "The message for people.")
    verdict = _text("verdict", "The verdict of the policy.")


class StageResult(Record):
    """The result of a move to a stage."""

    __slots__ = ()
    version = _text("version", "The version.")
    origin = _text("from", "The stage before.")
    stage = _text("stage", "The stage after.")
    changed = _flag("changed", "False if the version was in the stage already.")
    reason = _text("reason", "The recorded reason.")
    message = _text("message", "The recorded message.")
    verdict = _text("verdict", "The verdict of the policy.")
    displaced = _dicts("displaced", "The versions that had to leave the stage.")


class RemoteInfo(Record):
    """A remote."""

    __slots__ = ()
    name = _text("name", "The name.")
    uri = _text("uri", "The URI, without secrets.")


class PushResult(Record):
    """The result of a push."""

    __slots__ = ()
    remote = _text("remote", "The remote.")
    refs = _dicts("refs", "The pushed refs: `name`, `old`, `new`, `forced`.")
    packs = _number("packs", "The number of sent packs.")
    bytes = _number("bytes", "The number of sent bytes.")


class FetchResult(Record):
    """The result of a fetch."""

    __slots__ = ()
    remote = _text("remote", "The remote.")
    entries = _number("entries", "The number of new entries in the log of the remote.")


class PullResult(Record):
    """The result of a pull."""

    __slots__ = ()
    remote = _text("remote", "The remote.")
    refs = _dicts("refs", "The changed refs: `name`, `old`, `new`, `how`.")
    conflicts = _dicts("conflicts", "The refs that both sides changed.")
    written = _maybe_number("written", "The number of files written to `path`.")


class UndoResult(Record):
    """The result of an undo."""

    __slots__ = ()
    undone = _dict("undone", "The reverted operation: `id`, `time`, `who`, `command`.")
    records = _dicts("records", "The effect on each run and version.")


class FsckResult(Record):
    """The result of a check. True if the repository is sound."""

    __slots__ = ()
    sound = _flag("sound", "True if nothing is damaged.")
    defects = _dicts("defects", "The defects.")
    defect_count = _number("defect_count", "The number of defects.")
    repairs = _dicts("repairs", "The repairs.")
    advice = _texts("advice", "What to do next.")

    def __bool__(self) -> bool:
        return self.sound
