"""Runs: what a script uploads and records, from its start to its end.

```python
>>> import artvcs as art
>>> repo = art.init("work")
>>> with repo.run("train", tags=["gpu"]) as run:
...     _ = run.write("weights.bin", b"0.1 0.2 0.3")
...     run.log(params={"epochs": 3}, metrics={"accuracy": 0.91})
>>> run.info.status
'succeeded'
>>> run.summary()
{'metrics': {'accuracy': 0.91}, 'params': {'epochs': 3}}

```
"""

from __future__ import annotations

import atexit
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from ._calls import ProgressCallback, StrPath, call, words
from .errors import InvalidError
from .records import LineageEntry, RunInfo, TagResult, UploadResult

if TYPE_CHECKING:
    from .repository import Repository
    from .snapshot import Snapshot
    from .versions import Version

__all__ = ["Run", "current_run"]

_SUMMARY = "summary"
_open_runs: list[Run] = []
_innermost: contextvars.ContextVar[Run | None] = contextvars.ContextVar("run", default=None)


def current_run() -> Run | None:
    """Returns the innermost open run of this context, or the only open run of the process.

    Raises:
        InvalidError: Several runs are open, and none of them in this context.

    ```python
    >>> import artvcs as art
    >>> repo = art.init("work")
    >>> with repo.run("train"):
    ...     art.current_run().name
    'train'
    >>> art.current_run() is None
    True

    ```
    """
    run = _innermost.get()
    if run is not None and run.is_open:
        return run
    mine = [run for run in _open_runs if run.is_open]
    if len(mine) > 1:
        raise InvalidError(
            "several runs are open, and none of them in this thread",
            "call the method of a run: run.upload(…)",
        )
    return mine[0] if mine else None


class _Terminated(SystemExit):
    """SIGTERM arrived while a run was open."""


class Run:
    """A run. Started by `art.run` or `Repository.run`, or looked up by `Repository.get_run`.

    As a context manager, the run ends with the block: `succeeded` if the block is done, `failed`
    with the exit code if it raises, and `stopped` with the signal after Ctrl-C or SIGTERM.
    """

    def __init__(self, repository: Repository, name: str, *, owned: bool = False) -> None:
        self._repository = repository
        self._place = repository._place
        self._name = name
        self._owner = os.getpid() if owned else 0
        self._ended = not owned
        self._outputs: list[StrPath] = []
        self._environ: dict[str, str | None] = {}
        self._handler: Any = None
        self._tokens: list[contextvars.Token[Run | None]] = []

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def project(self) -> str:
        """The project, `OWNER/PROJECT`."""
        return self._repository.project

    @property
    def is_open(self) -> bool:
        """True in the process that started the run, until the run ends."""
        return not self._ended and self._owner == os.getpid()

    @property
    def info(self) -> RunInfo:
        """The record of the run, read at each access."""
        return RunInfo(call(self._place, "run_show", {"run": self._name}))

    @property
    def snapshot(self) -> Snapshot:
        """The files of the run at its newest commit."""
        return self._repository.at(f"run/{self._name}")

    def __repr__(self) -> str:
        return f"Run({self._name!r}, project={self.project!r})"

    def upload(
        self,
        *paths: StrPath,
        to: str | None = None,
        tag: str | None = None,
        message: str | None = None,
        merge: bool = False,
        ignore: bool = True,
        keep_going: bool = False,
        progress: ProgressCallback | None = None,
    ) -> UploadResult:
        """Uploads files and directories to the run. See `Repository.upload`."""
        return self._repository.upload(
            *paths,
            run=self._name,
            to=to,
            tag=tag,
            message=message,
            merge=merge,
            ignore=ignore,
            keep_going=keep_going,
            progress=progress,
        )

    def write(
        self,
        path: str,
        data: bytes | bytearray | memoryview | str,
        *,
        message: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> UploadResult:
        """Stores bytes or text as the file `path` of the run, without a file on disk."""
        return self._repository.write(
            path, data, run=self._name, message=message, progress=progress
        )

    def log(
        self,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds parameters and metrics to the summary of the run, with their types.

        The summary is the artifact `summary` of the run: the file `summary.json`, and a lineage
        entry with the same values. A key replaces its earlier value.

        Raises:
            InvalidError: A value is `None`, NaN or infinite, or has no type in TOML and JSON.
        """
        import json

        summary = self.summary()
        for name, given in (("params", params), ("metrics", metrics)):
            if given:
                values = {str(key): _plain(str(key), value) for key, value in given.items()}
                summary[name] = {**summary.get(name, {}), **values}
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        self.write(f"{_SUMMARY}.json", text, message="log the summary")
        self._add_lineage(f"{_SUMMARY}.json", _SUMMARY, "metric", summary=summary)

    def summary(self) -> dict[str, Any]:
        """Returns the values of `log`: `{"params": {…}, "metrics": {…}}`."""
        found = [entry for entry in self.lineage() if entry.name == _SUMMARY]
        return found[0].summary if found else {}

    def lineage(self) -> list[LineageEntry]:
        """Returns the named artifacts of the run."""
        return [LineageEntry(raw) for raw in self.info.to_dict().get("lineage", [])]

    def log_artifact(
        self,
        path: StrPath,
        name: str | None = None,
        *,
        kind: str | None = None,
        summary: Mapping[str, Any] | None = None,
        message: str | None = None,
    ) -> LineageEntry:
        """Uploads a file or directory, and names it as an artifact of the run.

        ```python
        >>> import artvcs as art, pathlib
        >>> repo = art.init(".")
        >>> _ = pathlib.Path("weights.bin").write_bytes(b"0.1")
        >>> with repo.run() as run:
        ...     entry = run.log_artifact("weights.bin", kind="model", summary={"layers": 4})
        >>> entry.name, entry.kind, entry.summary
        ('weights', 'model', {'layers': 4})

        ```
        """
        self.upload(path, message=message)
        return self.log_artifact_ref(path, name, kind=kind, summary=summary)

    def log_artifact_ref(
        self,
        path: StrPath | None,
        name: str | None = None,
        *,
        kind: str | None = None,
        summary: Mapping[str, Any] | None = None,
        is_input: bool = False,
        origin: str | None = None,
    ) -> LineageEntry:
        """Names an artifact, and moves no bytes.

        An output must be in the run; `log_artifact` uploads it too. An input may be anywhere.
        `origin` is the version that an input came from, such as `ada/sets:v3`.

        Raises:
            NotFoundError: The output is not in the run.
        """
        if path is None and (origin is None or name is None):
            raise InvalidError("an artifact without a path needs a name and an origin")
        text = None if path is None else os.fspath(path)
        base = os.path.basename(os.path.normpath(text or ""))
        kind = kind or ("dir" if text is not None and os.path.isdir(text) else "file")
        return self._add_lineage(
            text,
            name or base.split(".")[0] or base,
            kind,
            summary={str(key): _plain(str(key), value) for key, value in (summary or {}).items()},
            is_input=is_input,
            origin=origin,
            in_run=False,
        )

    def _add_lineage(
        self,
        path: str | None,
        name: str,
        kind: str,
        *,
        summary: dict[str, Any],
        is_input: bool = False,
        origin: str | None = None,
        in_run: bool = True,
    ) -> LineageEntry:
        options = {
            "run": self._name,
            "name": name,
            "kind": kind,
            "path": path,
            "is_input": is_input,
            "origin": origin,
            "summary": summary,
        }
        # The path of an artifact of the run itself starts from the top, not from here.
        cwd = self._repository.top if in_run else None
        return LineageEntry(call(self._place, "lineage_add", options, cwd=cwd)["artifact"])

    def promote_to_artifact_version(
        self,
        version: str,
        *,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
        content: Any = None,
        readme: str | None = None,
        kind: str | None = None,
        artifacts: str | Iterable[str] = (),
        stage: str | None = None,
        reason: str | None = None,
        message: str = "",
        force: bool = False,
    ) -> Version:
        """Registers the run as a version. See `Versions.register`."""
        return self._repository.versions.register(
            version,
            run=self._name,
            description=description,
            tags=tags,
            content=content,
            readme=readme,
            kind=kind,
            artifacts=artifacts,
            stage=stage,
            reason=reason,
            message=message,
            force=force,
        )

    def tag(self, name: str, *, force: bool = False) -> TagResult:
        """Tags the newest commit of the run."""
        return self._repository.tag(name, f"run/{self._name}", force=force)

    def update(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
        add_tags: str | Iterable[str] = (),
        remove_tags: str | Iterable[str] = (),
    ) -> None:
        """Changes the name, the description or the tags. Fields that are not given stay."""
        options = {
            "run": self._name,
            "name": name,
            "description": description,
            "tags": None if tags is None else words(tags),
            "add_tags": words(add_tags),
            "remove_tags": words(remove_tags),
        }
        self._name = str(call(self._place, "run_update", options)["run"])
        if name is not None and self.is_open and "ART_RUN" in self._environ:
            os.environ["ART_RUN"] = self._name

    def log_tags(self, tags: str | Iterable[str], *, reset: bool = False) -> None:
        """Adds tags, or replaces all tags with `reset`."""
        if reset:
            self.update(tags=tags)
        else:
            self.update(add_tags=tags)

    def environ(self) -> dict[str, str]:
        """Returns the variables that make another process part of this run."""
        return {
            "ART_RUN": self._name,
            "ART_DIR": self._repository.directory,
            "ART_PROJECT": self.project,
        }

    def finish(
        self,
        status: str = "succeeded",
        *,
        exit_code: int | None = None,
        signal: str | None = None,
    ) -> None:
        """Ends the run: `succeeded`, `failed` or `stopped`. Uploads the outputs after that."""
        options = {"run": self._name, "status": status, "exit_code": exit_code, "signal": signal}
        self._ended = True
        self._leave()
        call(self._place, "run_finish", options)
        for path in self._outputs:
            self.upload(path)

    def _enter(self, *, export: bool) -> None:
        """Makes this the current run of the process."""
        _open_runs.append(self)
        if export:
            for name, value in self.environ().items():
                self._environ[name] = os.environ.get(name)
                os.environ[name] = value

    def _leave(self) -> None:
        if self in _open_runs:
            _open_runs.remove(self)
        for name, value in self._environ.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._environ = {}

    def __enter__(self) -> Run:
        self._tokens.append(_innermost.set(self))
        is_main = threading.current_thread() is threading.main_thread()
        if self.is_open and is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            self._handler = signal.signal(signal.SIGTERM, _terminate)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _innermost.reset(self._tokens.pop())
        is_owner = self.is_open
        try:
            if is_owner:
                status, exit_code, name = _ending(error)
                self.finish(status, exit_code=exit_code, signal=name)
        except BaseException as failure:
            if error is None:
                raise
            error.add_note(f"the end of the run {self._name!r} was not recorded: {failure}")
        finally:
            if self._handler is not None:
                signal.signal(signal.SIGTERM, self._handler)
                self._handler = None


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated(128 + number)


def _ending(error: BaseException | None) -> tuple[str, int | None, str | None]:
    """Returns the status, the exit code and the signal for the end of a block."""
    if error is None:
        return "succeeded", 0, None
    if isinstance(error, _Terminated):
        return "stopped", None, "SIGTERM"
    if isinstance(error, KeyboardInterrupt):
        return "stopped", None, "SIGINT"
    if isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code if isinstance(error.code, int) else 1
        return ("succeeded" if code == 0 else "failed"), code, None
    return "failed", 1, None


def _plain(key: str, value: Any) -> Any:
    """Takes a value of a summary; scalars of numpy and others by their `item`."""
    if hasattr(value, "item") and not isinstance(value, (bool, int, float, str)):
        value = value.item()
    if value is None or (isinstance(value, float) and value - value != 0):
        raise InvalidError(f"the value of {key!r} is {value}", "leave out values that are missing")
    if isinstance(value, Mapping):
        return {str(inner): _plain(f"{key}.{inner}", one) for inner, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(key, one) for one in value]
    if not isinstance(value, (bool, int, float, str)):
        raise InvalidError(f"the value of {key!r} is of the type {type(value).__name__}")
    return value


def _command() -> list[str]:
    """Returns the words of this process."""
    return list(sys.orig_argv) or ["python"]


def start(
    repository: Repository,
    name: str | None,
    *,
    description: str,
    tags: str | Iterable[str],
    outputs: Iterable[StrPath],
    command: Iterable[str] | None,
    attach: bool,
    exact: bool,
    export: bool,
) -> Run:
    """Starts a run, or attaches to the run of `ART_RUN`."""
    given = os.environ.get("ART_RUN")
    of_project = os.environ.get("ART_PROJECT", repository.project) == repository.project
    if attach and given and of_project and not any(run.is_open for run in _open_runs):
        run = Run(repository, given)
        if tags:
            run.update(add_tags=tags)
        return run
    options = {
        "name": name,
        "numbered": not exact,
        "description": description,
        "tags": words(tags),
        "command": list(command) if command is not None else _command(),
    }
    begun = call(repository._place, "run_begin", options)
    run = Run(repository, str(begun["run"]), owned=True)
    run._outputs = list(outputs)
    run._enter(export=export)
    return run


def _finish_open_runs() -> None:
    """Ends the runs that no block and no call ended, when the interpreter exits."""
    for run in reversed(list(_open_runs)):
        if run.is_open:
            has_failed = getattr(sys, "last_value", None) is not None
            status = "failed" if has_failed else "succeeded"
            run.finish(status, exit_code=1 if has_failed else 0)


atexit.register(_finish_open_runs)
