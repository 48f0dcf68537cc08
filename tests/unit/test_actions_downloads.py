"""Deploy `downloads`: files for later blocks, and the work on them in a container."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from labq.actions.deploy import download, downloads
from labq.actions.parameters import Artifact
from labq.actions.steps.download import Download
from labq.actions.steps.download import download as bring
from labq.actions.steps.sources import fetch_definitions
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import JobError
from labq.domain.plan import StepKind, TestDefinition, TestStage
from labq.hw.fake import FakeSession
from tests.unit.plans import overlay, plan, step

IMAGE = {"url": "http://x/boot.img"}
INLINE = {
    "metadata": {"format": "Lava-Test Test Definition 1.0", "name": "smoke"},
    "run": {"steps": ["true"]},
}
STAGE = TestStage(
    stage=0,
    definitions=(TestDefinition(index=0, name="smoke", source="inline", repository=INLINE),),
)


def session_of(folder: Path, **changes: object) -> FakeSession:
    """Return the session of a deploy whose image was fetched."""
    made = step("downloads", {}, kind=StepKind.DEPLOY, **changes)
    session = FakeSession(plan([made], {"host_address": "10.0.0.1"}), made, folder=folder)
    path = folder / "downloads/common/boot.img"
    path.parent.mkdir(parents=True)
    path.write_text("boot")
    session.memory["fetched"] = {"boot": str(path)}
    return session


def block(**keys: object) -> downloads.DownloadsParameters:
    """Return the block of a deploy."""
    return downloads.DownloadsParameters.model_validate({"images": {"boot": IMAGE}, **keys})


def work(session: FakeSession) -> Work:
    """Return the work of a step."""
    return Work(session, deadlines=[Deadline.after(60.0)], numbers=[1, 0])


def test_the_steps_run_in_the_container_as_a_script_that_ends_at_a_failure(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    docker = {"image": "tools:1", "local": True, "steps": ["ls -l", "gunzip Image.gz"]}
    downloads.run(session, block(postprocess={"docker": docker}))
    folder = tmp_path / "downloads/common"
    started = session.commands[-1]
    assert started[:2] == ("docker", "run")
    assert started[-2:] == ("tools:1", "/lava-downloads/postprocess.sh")
    assert "--workdir=/lava-downloads" in started
    assert f"--mount=type=bind,source={folder},destination=/lava-downloads" in started
    lines = (folder / "postprocess.sh").read_text().splitlines()
    assert lines[:3] == ["#!/bin/sh", "exec 2>&1", "set -ex"]
    assert lines[3:] == [
        "export LAVA_JOB_ID=7",
        "export LAVA_DISPATCHER_IP=10.0.0.1",
        "ls -l",
        "gunzip Image.gz",
    ]
    assert (folder / "postprocess.sh").stat().st_mode & 0o111


def test_the_overlay_is_beside_the_images_before_the_steps_run(tmp_path: Path) -> None:
    spec = overlay(STAGE, environment={"TOKEN": "it's"}, results_dir="/lava-%s")
    session = session_of(tmp_path, overlay=spec)
    fetch_definitions(work(session), spec)
    docker = {"image": "tools:1", "steps": ["true"]}
    downloads.run(session, block(postprocess={"docker": docker}))
    folder = tmp_path / "downloads/common"
    assert [path.name for path in folder.glob("overlay*.tar.gz")] == ["overlay-3.tar.gz"]
    assert "export TOKEN='it'\"'\"'s'" in (folder / "postprocess.sh").read_text()


def test_later_deploys_take_files_of_the_namespace_unpacked_where_asked(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    packed = tmp_path / "downloads/common/out/rootfs.img.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(b"root"))
    images = {
        "boot": {"url": "downloads://boot.img"},
        "root": {"url": "downloads://out/rootfs.img.gz", "compression": "gz"},
    }
    download.fetch(session, download.DownloadParameters.model_validate({"images": images}))
    found = session.memory["images"]
    assert isinstance(found, dict)
    assert Path(found["boot"]).read_text() == "boot"
    assert Path(found["root"]).read_text() == "root"
    assert Path(found["root"]).name == "rootfs.img"
    assert [one.case for one in session.results] == ["pre-downloaded", "pre-downloaded"]


@pytest.mark.parametrize("name", ["gone.img", "../../secret", ""])
def test_names_of_nothing_there_are_refused_with_what_there_is(tmp_path: Path, name: str) -> None:
    session = session_of(tmp_path)
    (tmp_path / "secret").write_text("s")
    artifact = Artifact.model_validate({"url": f"downloads://{name}"})
    with pytest.raises(JobError, match=r"no such file was downloaded.*there is: boot\.img"):
        bring(work(session), Download(artifact=artifact, folder=tmp_path / "x"))
