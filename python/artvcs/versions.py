"""Versions: the releases of a project, and their stages.

```python
>>> import artvcs as art
>>> repo = art.init("work")
>>> _ = repo.write("weights.bin", b"0.1 0.2 0.3")
>>> version = repo.versions.register("v1", description="the first", content={"accuracy": 0.91})
>>> repo.versions.stage("v1", "staging", reason="DriftTests").stage
'staging'
>>> repo.versions.get("@staging").content
{'accuracy': 0.91}

```
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ._calls import ProgressCallback, StrPath, call, paths, words
from .errors import AlreadyExistsError, NotFoundError
from .records import DownloadResult, Record, StageEntry, StageResult, VersionInfo, _text, _texts
from .records import _time as _moment

if TYPE_CHECKING:
    from .repository import Repository
    from .snapshot import Snapshot

__all__ = ["Version", "Versions"]

# In the class, `list` is its method.
_Entries = list[StageEntry]


class Version(Record):
    """A version, as it was when it was read. `refresh` reads it again."""

    __slots__ = ("_repository",)
    _repository: Repository
    name = _text("name", "The name.")
    project = _text("project", "The project.")
    uuid = _text("uuid", "The id, which a rename does not change.")
    kind = _text("kind", "`artifact` or `model`.")
    description = _text("description", "The description.")
    tags = _texts("tags", "The tags.")
    stage_name = _text("stage", "The stage.")
    author = _text("author", "The author.")
    commit = _text("commit", "The newest commit of the version.")
    artifacts = _texts("artifacts", "The named artifacts in the version.")
    readme = _text("readme", "The readme, in Markdown; empty without one.")
    created_at = _moment("created_at", "When the version was registered.")
    updated_at = _moment("updated_at", "When the version changed last.")
    staged_at = _moment("staged_at", "When the version entered its stage.")

    def __init__(self, raw: dict[str, Any], repository: Repository) -> None:
        super().__init__(raw)
        self._repository = repository

    @property
    def content(self) -> Any:
        """The JSON content as a value, other content as text; `None` without content."""
        return self._raw.get("content")

    @property
    def run(self) -> str:
        """The name of the run that the version was made from."""
        return str(self._raw["run"]["name"])

    @property
    def rev(self) -> str:
        """The revision that names the version: `OWNER/PROJECT:NAME`."""
        return f"{self.project}:{self.name}"

    @property
    def snapshot(self) -> Snapshot:
        """The files of the version."""
        return self._repository.at(self.rev)

    def download(self, to: StrPath, *, force: bool = False) -> DownloadResult:
        """Writes the files to the directory `to`. See `Repository.download`."""
        return self._repository.download(self.rev, to, force=force)

    def stage(
        self, stage: str, *, reason: str | None = None, message: str = "", expect: str | None = None
    ) -> StageResult:
        """Moves the version to a stage. See `Versions.stage`."""
        versions = self._repository.versions
        return versions.stage(self.rev, stage, reason=reason, message=message, expect=expect)

    def promote(
        self, *, reason: str | None = None, message: str = "", expect: str | None = None
    ) -> StageResult:
        """Moves the version to the next stage. See `Versions.promote`."""
        versions = self._repository.versions
        return versions.promote(self.rev, reason=reason, message=message, expect=expect)

    def history(self) -> list[StageEntry]:
        """Lists the moves of the version, the newest first."""
        return self._repository.versions.history(self.rev)

    def refresh(self) -> Version:
        """Reads the version again."""
        return self._repository.versions.get(self.rev)


class Versions:
    """The versions of a repository. A version is named `NAME`, `OWNER/PROJECT:NAME` or `@STAGE`."""

    __slots__ = ("_repository",)

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def _call(self, verb: str, options: dict[str, Any]) -> Any:
        return call(self._repository._place, verb, options)

    def list(
        self,
        query: str = "",
        *,
        sort: str = "",
        stage: str | None = None,
        at: datetime | str | None = None,
        all_projects: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[VersionInfo]:
        """Lists the versions that match a query, the newest first.

        Args:
            query: A query, such as `"stage: production, tags: reviewed"`.
            sort: A field, such as `-created_at`.
            stage: Only the versions in this stage.
            at: The state at this time.
            all_projects: Includes the versions of all projects.
            limit: The maximum number of versions.
            offset: The number of versions to skip.
        """
        options = {
            "query": query,
            "sort": sort,
            "stage": stage,
            "at": at.isoformat() if isinstance(at, datetime) else at,
            "all_projects": all_projects,
            "limit": limit,
            "offset": offset,
        }
        return [VersionInfo(raw) for raw in self._call("versions", options)]

    def get(self, version: str = "@latest") -> Version:
        """Returns everything about a version.

        Raises:
            NotFoundError: The version does not exist.
        """
        return Version(self._call("get", {"version": version}), self._repository)

    def __getitem__(self, version: str) -> Version:
        return self.get(version)

    def __contains__(self, version: object) -> bool:
        try:
            self.get(str(version))
        except NotFoundError:
            return False
        return True

    def register(
        self,
        version: str,
        *,
        run: str | None = None,
        rev: str | None = None,
        path: StrPath | Iterable[StrPath] = (),
        artifacts: str | Iterable[str] = (),
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
        content: Any = None,
        readme: str | None = None,
        kind: str | None = None,
        stage: str | None = None,
        reason: str | None = None,
        message: str = "",
        force: bool = False,
    ) -> Version:
        """Names a state as a version. Without `run`, `rev` and `path`, the current run.

        Args:
            version: The name.
            run: The run, at its newest commit.
            rev: A commit of a run, or another version.
            path: Files to upload to a new run in the same step.
            artifacts: The named artifacts of the run to include; by default, all files.
            description: The description.
            tags: The tags.
            content: A dict or list is stored as JSON, a text as the JSON or YAML it is.
            readme: The readme, in Markdown.
            kind: `artifact` or `model`.
            stage: The stage to enter, under the rules of the project.
            reason: The reason for the stage, a word for programs.
            message: The message for the stage.
            force: Changes an existing version.

        Raises:
            AlreadyExistsError: The name exists for other content, and `force` is not set.
        """
        import os

        single = isinstance(path, (str, os.PathLike))
        options = {
            "version": version,
            "run": run,
            "rev": rev,
            "paths": paths([path] if single else path),  # type: ignore[list-item, arg-type]
            "artifacts": words(artifacts),
            "description": description,
            "tags": None if tags is None else words(tags),
            "content": _content(content),
            "readme": readme,
            "kind": kind,
            "stage": stage,
            "reason": reason,
            "message": message,
            "force": force,
        }
        name = self._call("register", options)
        return self.get(f"{name['project']}:{name['version']}")

    def create(self, version: str, **fields: Any) -> Version:
        """Registers a version like `register`, and refuses every name that exists."""
        if version in self:
            raise AlreadyExistsError(
                f"the version {version!r} exists", "choose another name, or register with force"
            )
        return self.register(version, **fields)

    def update(
        self,
        version: str,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
        add_tags: str | Iterable[str] = (),
        remove_tags: str | Iterable[str] = (),
        content: Any = None,
        readme: str | None = None,
    ) -> Version:
        """Changes fields of a version. Fields that are not given stay."""
        options = {
            "version": version,
            "name": name,
            "description": description,
            "tags": None if tags is None else words(tags),
            "add_tags": words(add_tags),
            "remove_tags": words(remove_tags),
            "content": _content(content),
            "readme": readme,
        }
        changed = self._call("update", options)
        return self.get(f"{changed['project']}:{changed['version']}")

    def stage(
        self,
        version: str,
        stage: str,
        *,
        reason: str | None = None,
        message: str = "",
        expect: str | None = None,
    ) -> StageResult:
        """Moves a version to a stage. With `expect`, only from that stage.

        Raises:
            PolicyError: A rule or a hook refuses the move.
            ConflictError: The version is not in the expected stage.
        """
        return self._move(version, stage, reason, message, expect)

    def promote(
        self,
        version: str,
        *,
        reason: str | None = None,
        message: str = "",
        expect: str | None = None,
    ) -> StageResult:
        """Moves a version to the next stage. A second call moves it once more."""
        return self._move(version, None, reason, message, expect)

    def _move(
        self, version: str, stage: str | None, reason: str | None, message: str, expect: str | None
    ) -> StageResult:
        options = {
            "version": version,
            "stage": stage,
            "reason": reason,
            "message": message,
            "expect": expect,
        }
        return StageResult(self._call("stage", options))

    def history(self, version: str) -> _Entries:
        """Lists the moves of a version, the newest first."""
        return [StageEntry(raw) for raw in self._call("history", {"version": version})]

    def copy(
        self,
        version: str,
        *,
        name: str | None = None,
        to_project: str | None = None,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
    ) -> Version:
        """Creates a version from an existing one. The content is shared, not stored again.

        Args:
            version: The version to copy.
            name: The name of the copy; by default, the name with `-copy`.
            to_project: The project of the copy; by default, the same project.
            description: The description, instead of that of the version.
            tags: The tags, instead of those of the version.
        """
        options = {
            "version": version,
            "name": name,
            "to_project": to_project,
            "description": description,
            "tags": None if tags is None else words(tags),
        }
        copied = self._call("copy", options)
        return self.get(f"{copied['project']}:{copied['version']}")

    def transfer(self, version: str, to_project: str) -> Version:
        """Moves a version with its history to another project of the repository."""
        moved = self._call("transfer", {"version": version, "to_project": to_project})
        return self.get(f"{moved['project']}:{moved['version']}")

    def delete(self, *versions: str, force: bool = False) -> None:
        """Deletes versions, all or none. `Repository.undo` restores them.

        Raises:
            RefusedError: A version is in the last stage, and `force` is not set.
        """
        self._call("delete", {"versions": list(versions), "force": force})

    def pull(
        self, version: str, path: StrPath, *, progress: ProgressCallback | None = None
    ) -> DownloadResult:
        """Writes the files of a version to the directory `path`.

        Content that is only on a remote is fetched.
        """
        return self._repository.download(version, path, progress=progress)


def _content(content: Any) -> str | None:
    """Takes the content as text."""
    if content is None or isinstance(content, str):
        return content
    import json

    return json.dumps(content, allow_nan=False)
