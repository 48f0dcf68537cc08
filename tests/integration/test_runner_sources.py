"""Test definitions from git and by URL, and overlays that a booted device fetches itself."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.odd_server import OddServer, Page, odd_server
from tests.integration.step_lab import MINIMAL, Runs, runs_on

DEFINITION = {
    "metadata": {"format": "Lava-Test Test Definition 1.0", "name": "from elsewhere"},
    "run": {"steps": ["lava-test-case here --shell test -e data/file"]},
}


FETCH = 'import sys, urllib.request as u; u.urlretrieve(sys.argv[1], sys.argv[1].split("/")[-1])'


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Return the folder that the host may take files from."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def runs(
    tmp_path: Path, served: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runs]:
    """Return a host."""
    settings = {"LABQ_FILE_FOLDERS": str(served)}
    with runs_on(tmp_path, redis_url, monkeypatch, **settings) as made:
        yield made


@pytest.fixture
def server() -> Iterator[OddServer]:
    """Return a server of odd pages."""
    with odd_server() as made:
        yield made


@pytest.fixture
def repository(served: Path) -> Path:
    """Return a git repository with a definition, two commits and a branch."""
    folder = served / "tests.git"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "file").write_text("x")
    (folder / "test.yaml").write_text(yaml.safe_dump(DEFINITION))
    (folder / "link.yaml").symlink_to("/etc/passwd")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "branch", "old")
    (folder / "data" / "later").write_text("x")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "second")
    return folder


def git(folder: Path, *words: str) -> str:
    """Run git and return its output."""
    name = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    done = subprocess.run(
        ["git", *name, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def block(source: str, repository: object, **item: object) -> dict[str, object]:
    """Return a test block with one definition from `source`."""
    made = {"from": source, "repository": repository, "path": "test.yaml", "name": "it", **item}
    return {"test": {"definitions": [made]}}


def test_a_repository_is_cloned_and_its_commit_reported(runs: Runs, repository: Path) -> None:
    ended = runs.run([MINIMAL, block("git", f"file://{repository}")])
    assert ended.failure == ""
    assert ended.verdicts["0_it/here"] == "pass"
    assert ended.verdicts["lava/git-repo-action"] == "pass"
    (result,) = [one for one in ended.results if one.case == "0_it"]
    assert result.details["commit_id"] == git(repository, "rev-parse", "main")


@pytest.mark.parametrize("wanted", [{"branch": "old"}, {"revision": "old~0"}])
def test_a_branch_or_revision_is_taken(
    runs: Runs, repository: Path, wanted: dict[str, object]
) -> None:
    if "revision" in wanted:
        wanted = {"revision": git(repository, "rev-parse", "old")}
    ended = runs.run([MINIMAL, block("git", str(repository), history=False, **wanted)])
    assert ended.failure == ""
    (result,) = [one for one in ended.results if one.case == "0_it"]
    assert result.details["commit_id"] == git(repository, "rev-parse", "old")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc", "not below the folders"),
        ("ext::sh -c 'touch /tmp/owned'", "are allowed"),
        ("--upload-pack=touch /tmp/owned", "are allowed"),
        ("ftp://example.com/x", "are allowed"),
    ],
)
def test_repositories_that_are_not_allowed_are_refused(runs: Runs, url: str, message: str) -> None:
    ended = runs.run([MINIMAL, block("git", url)])
    assert ended.failure.startswith("Job: ")
    assert message in ended.failure


def test_a_path_that_leads_out_of_the_repository_is_refused(runs: Runs, repository: Path) -> None:
    ended = runs.run([MINIMAL, block("git", str(repository), path="link.yaml")])
    assert "outside of its repository" in ended.failure


def test_a_missing_definition_is_named(runs: Runs, repository: Path) -> None:
    ended = runs.run([MINIMAL, block("git", str(repository), path="nothing.yaml")])
    assert "Job: test definition 'nothing.yaml'" in ended.failure


def test_a_missing_repository_is_the_submitters_error(runs: Runs, served: Path) -> None:
    ended = runs.run([MINIMAL, block("git", f"file://{served}/nothing")])
    assert ended.failure.startswith("Job: ")
    assert "no such file" in ended.failure


def test_an_archive_by_url_is_unpacked(runs: Runs, server: OddServer) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for name, text in (("top/test.yaml", yaml.safe_dump(DEFINITION)), ("top/data/file", "x")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    server.pages["/tests.tar.xz"] = Page(out.getvalue())
    extra = {"strip-components": 1, "compression": "xz"}
    ended = runs.run([MINIMAL, block("url", f"{server.url}/tests.tar.xz", **extra)])
    assert ended.failure == ""
    assert ended.verdicts["0_it/here"] == "pass"


def test_a_device_fetches_its_overlay_over_http(runs: Runs, tmp_path: Path) -> None:
    boot = {
        "boot": {
            "method": "minimal",
            "prompts": ["labq-shell:"],
            "transfer_overlay": {
                "download_command": f"mkdir -p got; cd got; {sys.executable} -c '{FETCH}'",
                "unpack_command": "tar tzf",
            },
        }
    }
    inline = block("inline", DEFINITION)
    ended = runs.run([boot, inline])
    assert ended.failure == ""
    assert ended.verdicts["lava/overlay-unpack"] == "pass"
    assert any("/bin/lava-test-case" in text for text in ended.log("target"))


def test_an_overlay_that_does_not_arrive_is_named(runs: Runs) -> None:
    boot = {
        "boot": {
            "method": "minimal",
            "prompts": ["labq-shell:"],
            "transfer_overlay": {"download_command": "false", "unpack_command": "tar tzf"},
        }
    }
    ended = runs.run([boot, block("inline", DEFINITION)])
    assert ended.failure.startswith("Job: 'false http://127.0.0.1:")
    assert ended.failure.endswith("failed on the device with exit code 1")
