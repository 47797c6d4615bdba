"""The documented snippets of Polyaxon and dstack run with other import lines."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import artvcs as art
import pytest

REGISTER = """
from artvcs.compat.polyaxon.client import ProjectClient

project_client = ProjectClient(project="ORGANIZATION/data-generation")

version = project_client.register_artifact_version(
    version="v1",
    description="description for this version...",
    tags=["prod", "images"],
    content={"key": "val", "env": ["package1", "package2"]},
    run=RUN,
    artifacts=["dataset", "summary"],
)
version = project_client.get_artifact_version(version="v1")
print(version)
"""

STAGE = """
from artvcs.compat.polyaxon.client import V1Stages
from artvcs.compat.polyaxon.client import ProjectClient

project_client = ProjectClient(project="ORGANIZATION/data-generation")

project_client.stage_artifact_version(
    version="v1",
    stage=V1Stages.STAGING,
    reason="AirflowPipelineStageUpdate",
    message="Tests passed and the artifact was automatically moved to staging",
)
project_client.patch_artifact_version(
    version="v1",
    data={"description": "new description", "tags": ["new-tag1", "new-tag2"]}
)
project_client.pull_artifact_version(
    version="v1",
    path="pulled"
)
"""

TRACKING = """
from artvcs.compat.polyaxon import tracking

tracking.init()

# Artifact lineage reference
artifact_ref = "dataset-view"

# Logging a reference
tracking.log_artifact_ref("path/to/artifact", name=artifact_ref)

# Promoting the run to an artifact version
if some_condition:
    tracking.promote_to_artifact_version(
        version="rc2",
        description="artifact promoted directly from the run",
        tags=["tag1", "tag2"],
        content={"key": "value"},
        artifacts=[artifact_ref]
    )

# End
tracking.end()
"""

DSTACK = """
from artvcs.compat.dstack import artifacts

# Uploads files under "datasets/dataset1" as artifacts and attach them to the current run
artifacts.upload("datasets/dataset1")

# Uploads files under "datasets/dataset1" as artifacts and creates a tag "my_tag"
artifacts.upload("datasets/dataset1", tag="my_tag")

# Downloads all artifact files of a run to the current directory
artifacts.download(run="sharp-shrimp-1")

# Downloads all artifact files of the "my_tag" tag and saves them to "my_model"
artifacts.download(tag="my_tag", local_path="my_model")
"""


def run_snippet(text: str, **names: object) -> None:
    """Runs a snippet as a script."""
    exec(compile(textwrap.dedent(text), "snippet", "exec"), {"__name__": "__main__", **names})


def test_the_calls_for_versions_work(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repo = art.init(".", project="ORGANIZATION/data-generation")
    (directory / "set.csv").write_text("1,2")
    with repo.run() as run:
        run.log_artifact("set.csv", "dataset")
        run.log(metrics={"rows": 1})
    run_snippet(REGISTER, RUN=run.info.uuid.replace("-", ""))
    assert "name='v1'" in capsys.readouterr().out
    version = repo.versions["v1"]
    assert (version.run, version.artifacts) == (run.name, ["dataset", "summary"])
    assert version.content == {"key": "val", "env": ["package1", "package2"]}
    run_snippet(STAGE)
    version = version.refresh()
    assert (version.stage_name, version.description) == ("staging", "new description")
    assert version.tags == ["new-tag1", "new-tag2"]
    assert version.history()[0].reason == "AirflowPipelineStageUpdate"
    assert (directory / "pulled/artifacts/v1/set.csv").read_text() == "1,2"


def test_a_client_lists_creates_copies_and_deletes(directory: Path) -> None:
    from artvcs.compat.polyaxon.client import ProjectClient

    repo = art.init(".", project="ada/digits")
    repo.write("a", "1")
    client = ProjectClient(project="ada/digits")
    client.create_artifact_version({"name": "v1", "description": "first"})
    with pytest.raises(art.AlreadyExistsError):
        client.create_artifact_version({"name": "v1"})
    repo.with_project("ada/other").write("b", "2")
    client.copy_artifact_version("v1", to_project="ada/other", name="w1")
    assert client.transfer_artifact_version("v1", "ada/other").project == "ada/other"
    assert client.list_artifact_versions() == []
    other = ProjectClient(project="ada/other")
    assert {info.name for info in other.list_artifact_versions()} == {"v1", "w1"}
    other.delete_artifact_version(version="w1")
    with pytest.raises(art.NotFoundError):
        other.register_artifact_version("x", run="f27c0580dcdf4ed7b2f36726c5257ade")


def test_tracking_promotes_its_run(directory: Path) -> None:
    repo = art.init(".")
    (directory / "path/to").mkdir(parents=True)
    (directory / "path/to/artifact").write_text("1")
    run_snippet(TRACKING, some_condition=True)
    version = repo.versions["rc2"]
    assert (version.artifacts, version.tags) == (["dataset-view"], ["tag1", "tag2"])
    assert repo.get_run(version.run).info.status == "succeeded"
    assert repo.get_run(version.run).info.command == sys.orig_argv


def test_uploads_and_downloads_of_dstack_work(directory: Path) -> None:
    repo = art.init(".")
    (directory / "datasets/dataset1").mkdir(parents=True)
    (directory / "datasets/dataset1/set.csv").write_text("1,2")
    with repo.run("sharp-shrimp-1"):
        pass
    run_snippet(DSTACK)
    assert (directory / "my_model/datasets/dataset1/set.csv").read_text() == "1,2"
    from artvcs.compat.dstack import artifacts

    with pytest.raises(art.InvalidError):
        artifacts.download()
