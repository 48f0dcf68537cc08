"""Downloads that go wrong: the job is incomplete, says which file and why, and nothing else."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import Lab
from tests.acceptance.outcomes import complete, incomplete
from tests.lab.client import Client
from tests.lab.devices import shell_boot, shell_job
from tests.lab.jobs import definition, deploy, say


def download(url: str, seconds: int = 60, **keys: Any) -> str:
    """Return a job that downloads one file."""
    block = deploy("download", images={"thing": {"url": url, **keys}}, timeout={"seconds": seconds})
    return definition("shell", block, shell_boot())


def test_a_good_download_completes(client: Client, lab: Lab) -> None:
    data = b"good" * 1000
    url = lab.files.add("good.bin", data)
    job = client.run(download(url, sha256sum=hashlib.sha256(data).hexdigest()))
    complete(client, job)


def test_a_missing_file_is_the_submitters_error(client: Client, lab: Lab) -> None:
    url = f"{lab.files.url}/nowhere.bin"
    message = incomplete(client, client.run(download(url)), "Job")
    assert url in message
    assert "404" in message


def test_a_server_that_fails_is_named(client: Client, lab: Lab) -> None:
    url = lab.files.fault("status?status=500")
    message = incomplete(client, client.run(download(url, 20)), "Infrastructure")
    assert "500" in message


def test_a_server_that_is_not_there_is_named(client: Client) -> None:
    message = incomplete(client, client.run(download("http://127.0.0.1:1/x", 20)), "Infrastructure")
    assert "127.0.0.1:1" in message


def test_a_wrong_checksum_is_told_with_both_sums(client: Client, lab: Lab) -> None:
    data = b"other bytes"
    url = lab.files.add("sum.bin", data)
    wanted = "0" * 64
    message = incomplete(client, client.run(download(url, sha256sum=wanted)), "Job")
    assert wanted in message
    assert hashlib.sha256(data).hexdigest() in message


def test_a_file_that_ends_early_is_no_file(client: Client, lab: Lab) -> None:
    url = lab.files.fault("truncated")
    message = incomplete(client, client.run(download(url, 20)), "Infrastructure")
    assert url in message


def test_a_redirect_loop_ends(client: Client, lab: Lab) -> None:
    url = lab.files.fault("loop")
    message = incomplete(client, client.run(download(url, 20)), "Job")
    assert "redirect" in message


def test_a_body_without_end_ends_with_its_timeout(client: Client, lab: Lab) -> None:
    url = lab.files.fault("endless")
    message = incomplete(client, client.run(download(url, 3)), "Job")
    assert "timed out after" in message


def test_data_that_is_not_compressed_as_said_is_refused(client: Client, lab: Lab) -> None:
    url = lab.files.add("plain.gz", b"this is not gzip")
    message = incomplete(client, client.run(download(url, compression="gz")), "Job")
    assert "gz" in message


def test_an_address_of_an_unknown_kind_is_refused(client: Client) -> None:
    message = incomplete(client, client.run(download("gopher://example.org/x")), "Job")
    assert "gopher" in message


def test_a_file_outside_the_allowed_folders_is_refused(client: Client) -> None:
    message = incomplete(client, client.run(download("file:///etc/passwd")), "Job")
    assert "/etc/passwd" in message


def test_an_archive_cannot_write_outside_its_folder(client: Client, lab: Lab) -> None:
    escape = Path("/tmp") / f"labq-escaped-{lab.folder.name}"
    url = lab.files.add("evil.tar", archive(f"../../../../../../../../../..{escape}"))
    item = {"from": "url", "repository": url, "name": "evil", "path": "test.yaml"}
    job = client.run(
        definition(
            "shell",
            deploy("download", images={"thing": {"url": lab.files.add("some.bin", b"x")}}),
            shell_boot(),
            {"test": {"definitions": [item]}},
        )
    )
    message = incomplete(client, job, "Job")
    assert not escape.exists()
    assert "outside" in message or ".." in message


def archive(name: str) -> bytes:
    """Return a tar file whose one member has this name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 5
        tar.addfile(member, io.BytesIO(b"evil\n"))
    return out.getvalue()


def test_a_failing_download_leaves_other_jobs_alone(client: Client, lab: Lab) -> None:
    bad = client.submit(download(lab.files.fault("endless"), 3))
    good = client.submit(shell_job(say("echo fine", "fine")))
    complete(client, client.finish(good))
    incomplete(client, client.finish(bad), "Job")
