"""Artifacts on the server: sent with the token of their run, checked, seen as their job is."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from labq.config import Settings
from labq.domain.artifacts import PIECE_BYTES
from labq.services import artifacts
from tests.integration.web_site import Person, Site

DATA = b"some bytes of a camera\n" * 100
NAME = "camera/shot-1.png"


class Run:
    """A finished run, and the hand of its host."""

    def __init__(self, site: Site, ann: Person, settings: Settings) -> None:
        self.site = site
        self.job, self.id = site.finished_job(ann, site.device())
        self.token = artifacts.make_token(settings.secret_key, self.id)
        self.end(datetime.now(UTC))

    def end(self, moment: datetime) -> None:
        self.site.change(f"UPDATE run SET ended_at = '{moment.isoformat()}' WHERE id = {self.id}")

    def put(self, data: bytes = DATA, name: str = NAME, **headers: str) -> Any:
        return self.put_to(f"/runs/{self.id}/artifacts/{name}", data, **headers)

    def put_to(self, path: str, data: bytes = DATA, **headers: str) -> Any:
        given = {
            "Authorization": f"Bearer {self.token}",
            "Repr-Digest": digest(data),
            **{key.replace("_", "-"): value for key, value in headers.items()},
        }
        return self.site.send("PUT", path, data=data, headers=given)

    def put_piece(self, data: bytes, first: int, last: int) -> Any:
        return self.put(
            data[first : last + 1],
            Content_Range=f"bytes {first}-{last}/{len(data)}",
            Repr_Digest=digest(data),
        )

    def listed(self, person: Person | None) -> Any:
        return self.site.get(f"/jobs/{self.job}/artifacts", person)


def fetch(site: Site, path: str, person: Person | None = None, **headers: str) -> Any:
    """Return an answer with its body read."""
    with site.get(path, person, headers=headers) as answer:
        assert answer.data is not None
        return answer


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def blobs_of(settings: Settings) -> list[Path]:
    """Return all files that are kept."""
    return [path for path in settings.blobs.rglob("*") if path.is_file()]


@pytest.fixture
def run(site: Site, ann: Person, settings: Settings) -> Run:
    """Return a run that ended just now."""
    return Run(site, ann, settings)


def test_a_file_is_stored_listed_and_downloaded(site: Site, ann: Person, run: Run) -> None:
    answer = run.put()
    assert (answer.status_code, answer.headers["Labq-Artifact-Bytes"]) == (201, str(len(DATA)))
    (listed,) = run.listed(ann).json
    assert (listed["name"], listed["bytes"], listed["run_number"]) == (NAME, len(DATA), 1)
    assert listed["sha256"] == hashlib.sha256(DATA).hexdigest()
    found = fetch(site, listed["url"], ann)
    assert found.data == DATA
    assert found.headers["Content-Disposition"] == "attachment; filename=shot-1.png"
    assert found.headers["Content-Type"] == "application/octet-stream"
    assert found.headers["X-Content-Type-Options"] == "nosniff"


def test_the_same_file_again_changes_nothing_and_another_content_is_refused(
    ann: Person, run: Run
) -> None:
    run.put()
    assert run.put().status_code == 200
    answer = run.put(b"other")
    assert (answer.status_code, answer.json["title"]) == (409, "Conflict")
    assert "Labq-Artifact-Bytes" not in answer.headers
    assert [one["bytes"] for one in run.listed(ann).json] == [len(DATA)]


def test_one_content_may_have_several_names(site: Site, ann: Person, run: Run) -> None:
    assert [run.put(name=name).status_code for name in ("a", "b/c")] == [201, 201]
    assert [one["name"] for one in run.listed(ann).json] == ["a", "b/c"]
    assert fetch(site, f"/runs/{run.id}/artifacts/b/c", ann).data == DATA


def test_pieces_are_put_together_and_an_interrupted_sending_goes_on(
    site: Site, ann: Person, run: Run
) -> None:
    assert run.put_piece(DATA, 0, 999).status_code == 202
    # The host was killed and begins again: it is told where to go on.
    again = run.put_piece(DATA, 0, 999)
    assert (again.status_code, again.headers["Labq-Artifact-Bytes"]) == (202, "1000")
    gap = run.put_piece(DATA, 1500, 1600)
    assert (gap.status_code, gap.headers["Labq-Artifact-Bytes"]) == (409, "1000")
    assert run.listed(ann).json == []
    assert run.put_piece(DATA, 1000, len(DATA) - 1).status_code == 201
    assert fetch(site, f"/runs/{run.id}/artifacts/{NAME}", ann).data == DATA


def test_bytes_that_are_not_what_their_digest_says_are_dropped(ann: Person, run: Run) -> None:
    answer = run.put(DATA, Repr_Digest=digest(b"other"))
    assert answer.status_code == 400
    assert "Repr-Digest" in answer.json["errors"][0]["path"]
    assert run.listed(ann).json == []
    assert run.put().status_code == 201


def test_without_the_token_of_the_run_nothing_is_stored(ann: Person, run: Run) -> None:
    for text in ("", "Bearer ", "Bearer 0000", "Bearer \xff", "Basic abc"):
        assert run.put(Authorization=text).status_code == 401
    assert run.listed(ann).json == []


def test_the_token_of_another_run_and_a_users_token_are_refused(
    site: Site, settings: Settings, admin: Person, run: Run
) -> None:
    other = artifacts.make_token(settings.secret_key, run.id + 1)
    assert run.put(Authorization=f"Bearer {other}").status_code == 401
    assert run.put(Authorization=admin.headers["Authorization"]).status_code == 401
    mine = {"Authorization": f"Bearer {run.token}"}
    assert site.get("/users", headers=mine).status_code == 401


def test_a_run_that_ended_long_ago_takes_nothing(run: Run) -> None:
    run.end(datetime.now(UTC) - timedelta(days=8))
    answer = run.put()
    assert (answer.status_code, "more than 7 days ago" in answer.json["detail"]) == (403, True)


def test_an_unknown_run_takes_nothing(settings: Settings, run: Run) -> None:
    token = artifacts.make_token(settings.secret_key, 999)
    answer = run.put_to("/runs/999/artifacts/a", Authorization=f"Bearer {token}")
    assert answer.status_code == 404


TRICKS = (
    "../../../etc/passwd",
    "a/../../b",
    "a/..",
    ".hidden",
    "a/.hidden",
    "-option",
    "%2e%2e/%2e%2e/b",
    "%2Fetc%2Fpasswd",
    "a%00b",
    "a%0Ab",
    "a%5Cb",
    "a b",
    "%C3%A4",
    "a%CC%88",
    "%FF",
    "a" * 101,
    "a/b/c/d/e",
    "/".join(["a" * 80] * 3),
    "CON:",
)


def test_names_with_tricks_are_refused(settings: Settings, ann: Person, run: Run) -> None:
    answers = {name: run.put(name=name).status_code for name in TRICKS}
    # Two slashes in a row are sent to the address with one: nobody follows with a body.
    assert {name for name, status in answers.items() if status not in (400, 404)} <= {
        "%2Fetc%2Fpasswd"
    }
    assert answers["%2Fetc%2Fpasswd"] == 308
    assert run.listed(ann).json == []
    assert blobs_of(settings) == []


def test_what_is_too_large_is_refused_before_it_is_read(site: Site, run: Run) -> None:
    answer = run.put(b"x", Content_Range=f"bytes 0-0/{1024**3 + 1}")
    assert (answer.status_code, "bytes" in answer.json["detail"]) == (413, True)
    answer = run.put(bytes(PIECE_BYTES + 1))
    assert (answer.status_code, "send pieces" in answer.json["detail"]) == (413, True)


MISFITS: tuple[dict[str, str], ...] = (
    {"Content_Range": "bytes 0-5/3"},
    {"Content_Range": "bytes 10-5/100"},
    {"Content_Range": "bytes 0-4/100"},
    {"Content_Range": "pages 0-4/100"},
    {"Repr_Digest": ""},
    {"Repr_Digest": "md5=:abc:"},
    {"Repr_Digest": "sha-256=:abc:"},
)


def test_headers_that_do_not_fit_are_refused(ann: Person, run: Run) -> None:
    assert [run.put(**headers).status_code for headers in MISFITS] == [400] * len(MISFITS)
    assert run.listed(ann).json == []


def test_others_see_artifacts_as_they_see_the_job(
    site: Site, ann: Person, bob: Person, run: Run
) -> None:
    run.put()
    path = f"/runs/{run.id}/artifacts/{NAME}"
    assert fetch(site, path).data == DATA
    site.hide(run.job)
    assert [site.get(path, who).status_code for who in (None, bob)] == [404, 404]
    assert run.listed(bob).status_code == 404
    assert fetch(site, path, ann).data == DATA


def test_a_part_of_a_file_can_be_asked_for(site: Site, ann: Person, run: Run) -> None:
    run.put()
    path = f"/runs/{run.id}/artifacts/{NAME}"
    part = fetch(site, path, ann, Range="bytes=10-19")
    assert (part.status_code, part.data) == (206, DATA[10:20])


class TestLimits:
    """With a server that keeps little."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"artifact_bytes": 3000, "run_artifact_bytes": 5000})

    def test_files_and_runs_have_a_limit(self, run: Run, ann: Person) -> None:
        assert run.put(bytes(3001), "large").status_code == 413
        assert run.put(bytes(3000), "one").status_code == 201
        answer = run.put(bytes(2001), "two")
        assert (answer.status_code, "5000 bytes in all" in answer.json["detail"]) == (413, True)
        assert run.put(bytes(2000), "three").status_code == 201
        assert [one["name"] for one in run.listed(ann).json] == ["one", "three"]

    def test_parts_that_were_never_finished_count(self, run: Run) -> None:
        for number in range(5):
            data = bytes([number]) * 2500
            run.put(
                data[:1000],
                f"f{number}",
                Content_Range="bytes 0-999/2500",
                Repr_Digest=digest(data),
            )
        assert run.put(b"x" * 2500, "last").status_code == 413
