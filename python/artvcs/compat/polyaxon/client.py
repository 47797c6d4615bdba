"""The versions of a project, under the method names of Polyaxon's `ProjectClient`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from ... import NotFoundError, Repository, StrPath, Version, repo
from ...records import VersionInfo

__all__ = ["ProjectClient", "V1Stages"]


class V1Stages(StrEnum):
    """The stages.

    ```python
    >>> from artvcs.compat.polyaxon.client import V1Stages
    >>> V1Stages.STAGING == "staging"
    True

    ```
    """

    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"
    DISABLED = "disabled"


class ProjectClient:
    """The versions of a project in the repository of the working directory.

    ```python
    >>> import artvcs as art
    >>> from artvcs.compat.polyaxon.client import ProjectClient, V1Stages
    >>> repo = art.init(".", project="ada/digits")
    >>> _ = repo.write("weights.bin", b"0.1")
    >>> client = ProjectClient(project="ada/digits")
    >>> version = client.register_artifact_version(version="v1", tags=["prod"])
    >>> client.stage_artifact_version(version="v1", stage=V1Stages.STAGING).stage_name
    'staging'

    ```
    """

    def __init__(self, project: str) -> None:
        self._repository: Repository = repo(project=project)
        self._versions = self._repository.versions

    def list_artifact_versions(
        self,
        query: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[VersionInfo]:
        """Lists the versions. Queries have the syntax of `art`."""
        return self._versions.list(query or "", sort=sort or "", limit=limit, offset=offset or 0)

    def get_artifact_version(self, version: str) -> Version:
        """Returns a version."""
        return self._versions.get(version)

    def create_artifact_version(self, data: Mapping[str, Any]) -> Version:
        """Creates a version from the fields `name`, `description`, `tags`, `content` and `run`."""
        fields = dict(data)
        name = str(fields.pop("name"))
        if fields.get("run") is not None:
            fields["run"] = self._run(str(fields["run"]))
        return self._versions.create(name, **fields)

    def register_artifact_version(
        self,
        version: str,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
        content: Any = None,
        run: str | None = None,
        artifacts: Iterable[str] | None = None,
        force: bool = False,
    ) -> Version:
        """Registers a version. `run` is the name or the uuid of a run."""
        return self._versions.register(
            version,
            description=description,
            tags=tags,
            content=content,
            run=None if run is None else self._run(run),
            artifacts=artifacts or (),
            force=force,
        )

    def patch_artifact_version(self, version: str, data: Mapping[str, Any]) -> Version:
        """Changes fields. Tags replace all existing tags."""
        return self._versions.update(version, **data)

    def copy_artifact_version(
        self,
        version: str,
        to_project: str | None = None,
        name: str | None = None,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
    ) -> Version:
        """Creates a version from an existing one."""
        return self._versions.copy(
            version, to_project=to_project, name=name, description=description, tags=tags
        )

    def transfer_artifact_version(self, version: str, to_project: str) -> Version:
        """Moves a version to another project."""
        return self._versions.transfer(version, to_project)

    def delete_artifact_version(self, version: str) -> None:
        """Deletes a version."""
        self._versions.delete(version)

    def stage_artifact_version(
        self,
        version: str,
        stage: str,
        reason: str | None = None,
        message: str | None = None,
    ) -> Version:
        """Moves a version to a stage."""
        self._versions.stage(version, str(stage), reason=reason, message=message or "")
        return self._versions.get(version)

    def pull_artifact_version(self, version: str, path: StrPath) -> str:
        """Writes the files to `PATH/artifacts/VERSION`, and returns that directory.

        Existing files with the same names are overwritten. No other file is deleted.
        """
        import os

        directory = os.path.join(os.fspath(path), "artifacts", version)
        self._repository.download(version, directory, force=True)
        return directory

    def _run(self, run: str) -> str:
        """Returns the name of the run with this name or uuid."""
        try:
            text = str(uuid.UUID(run))
        except ValueError:
            return run
        found = self._repository.runs(f"uuid: {text}")
        if not found:
            raise NotFoundError(f"no run has the uuid {text}", "list the runs: art runs")
        return found[0].name
