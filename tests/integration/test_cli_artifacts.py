"""Artifacts for people: on the command line and on the job's page."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from labq.config import Settings
from labq.models.job import Job
from labq.services import artifacts
from tests.integration.cli_runner import Cli, served
from tests.integration.web_site import Person, Site

DATA = b"raw bytes\n" * 200


def test_artifacts_are_listed_and_downloaded(
    site: Site, ann: Person, settings: Settings, tmp_path: Path
) -> None:
    job, run = site.finished_job(ann, site.device())
    site.change(f"UPDATE run SET ended_at = '{datetime.now(UTC).isoformat()}'")
    for name in ("console-main.raw.zst", "camera/shot.png"):
        digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
        headers = {
            "Authorization": f"Bearer {artifacts.make_token(settings.secret_key, run)}",
            "Repr-Digest": f"sha-256=:{digest}:",
        }
        path = f"/runs/{run}/artifacts/{name}"
        assert site.send("PUT", path, data=DATA, headers=headers).status_code == 201
    with served(site) as url:
        cli = Cli(url, tmp_path)
        table = cli("job", "artifacts", job, person=ann)
        assert (table.returncode, "camera/shot.png" in table.stdout) == (0, True)
        assert "2 kB" in table.stdout
        listed = json.loads(cli("job", "artifacts", job, "--json", person=ann).stdout)
        assert [one["bytes"] for one in listed] == [2000, 2000]
        target = tmp_path / "out"
        for _ in range(2):
            done = cli("job", "artifacts", job, "--download", target, person=ann)
            assert done.returncode == 0, done.stderr
        files = {
            path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()
        }
        assert files == {"1/camera/shot.png", "1/console-main.raw.zst"}
        assert (target / "1" / "camera" / "shot.png").read_bytes() == DATA
        assert "is there already" in done.stderr
        assert cli("job", "artifacts", 999, person=ann).returncode == 1
    page = site.client.get(f"/jobs/{job}/artifacts")
    assert f'href="/api/v1/runs/{run}/artifacts/camera/shot.png"' in page.text
    assert 'href="/jobs/1/artifacts" aria-current="page"' in page.text


def test_a_job_without_files_says_how_to_keep_some(site: Site, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    assert "--keep-console" in site.client.get(f"/jobs/{job}/artifacts").text


def test_the_consoles_are_kept_when_the_submission_says_so(
    site: Site, ann: Person, tmp_path: Path
) -> None:
    site.device()
    file = tmp_path / "job.yaml"
    file.write_text(
        "job_name: x\ndevice_type: shell\nvisibility: public\n"
        "timeouts: {job: {minutes: 1}}\nactions: []\n"
    )
    with served(site) as url:
        cli = Cli(url, tmp_path)
        kept = cli("job", "submit", "--keep-console", file, "--json", person=ann)
        other = cli("job", "submit", file, "--json", person=ann)
    with Session(site.engine) as session:
        assert session.get_one(Job, json.loads(kept.stdout)["id"]).keeps_console
        assert not session.get_one(Job, json.loads(other.stdout)["id"]).keeps_console
