"""Downloads from a real HTTP server into a real cache."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from labq.actions.parameters import Artifact
from labq.actions.steps.download import Download, download
from labq.actions.steps.unpack import unpack_tar
from labq.actions.steps.work import Work
from labq.domain.errors import InfrastructureError, JobError
from labq.domain.plan import Timeouts
from labq.domain.verdicts import Verdict
from labq.hw.fake import FakeSession
from tests.integration.odd_server import OddServer, Page, odd_server
from tests.unit.plans import plan, step

BODY = bytes(range(256)) * 8192


@pytest.fixture
def server() -> Iterator[OddServer]:
    """Return a server of odd pages."""
    with odd_server() as made:
        yield made


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a host whose settings this process has."""
    (tmp_path / "served").mkdir()
    monkeypatch.setenv("LABQ_HOST_FOLDER", str(tmp_path / "host"))
    monkeypatch.setenv("LABQ_FILE_FOLDERS", str(tmp_path / "served"))
    return tmp_path


class Run:
    """One run's downloads."""

    def __init__(self, folder: Path, seconds: float = 30.0) -> None:
        made = step("tmpfs", {}, timeouts=Timeouts(block=seconds, action=seconds))
        self.session = FakeSession(plan([made]), made, folder=folder)

    def get(self, url: str, *, writable: bool = False, **artifact: Any) -> Path:
        """Download one artifact."""
        work = Work(self.session)
        wanted = Download(
            artifact=Artifact(url=url, **artifact),
            folder=self.session.folder / "image",
            writable=writable,
        )
        with work.block("deployimages"):
            return download(work, wanted)

    @property
    def verdicts(self) -> list[Verdict]:
        """Return the verdicts of the case `http-download`."""
        return [one.verdict for one in self.session.results if one.case == "http-download"]


def run_in(host: Path, name: str = "run", seconds: float = 30.0) -> Run:
    """Return a run."""
    return Run(host / name, seconds)


def test_a_file_is_fetched_once_and_then_revalidated(host: Path, server: OddServer) -> None:
    server.pages["/kernel"] = Page(BODY, etag='"one"')
    first = run_in(host, "a").get(f"{server.url}/kernel")
    second = run_in(host, "b").get(f"{server.url}/kernel")
    assert first.read_bytes() == second.read_bytes() == BODY
    assert server.asked[1][1]["If-None-Match"] == '"one"'
    assert first.stat().st_ino == second.stat().st_ino


def test_a_changed_file_is_fetched_again(host: Path, server: OddServer) -> None:
    server.pages["/kernel"] = Page(b"old", etag='"one"')
    run_in(host, "a").get(f"{server.url}/kernel")
    server.pages["/kernel"] = Page(b"new", etag='"two"')
    assert run_in(host, "b").get(f"{server.url}/kernel").read_bytes() == b"new"


def test_a_known_checksum_needs_no_server(host: Path, server: OddServer) -> None:
    server.pages["/kernel"] = Page(BODY)
    digest = hashlib.sha256(BODY).hexdigest()
    run_in(host, "a").get(f"{server.url}/kernel", sha256sum=digest)
    run_in(host, "b").get(f"{server.url}/elsewhere", sha256sum=digest.upper())
    assert server.paths() == ["/kernel"]


def test_a_file_that_may_be_written_to_is_a_copy(host: Path, server: OddServer) -> None:
    server.pages["/disk"] = Page(BODY, etag='"one"')
    disk = run_in(host, "a").get(f"{server.url}/disk", writable=True)
    disk.write_bytes(b"changed by the device")
    assert run_in(host, "b").get(f"{server.url}/disk").read_bytes() == BODY


def test_without_the_cache_nothing_is_kept(host: Path, server: OddServer) -> None:
    server.pages["/kernel"] = Page(BODY, etag='"one"')
    for name in "ab":
        assert run_in(host, name).get(f"{server.url}/kernel", use_cache=False).read_bytes() == BODY
    assert all("If-None-Match" not in headers for _, headers in server.asked)
    assert not list((host / "host" / "cache" / "objects").iterdir())


@pytest.mark.parametrize(
    ("name", "compression", "pack"),
    [
        ("rd.cpio.gz", "gz", gzip.compress),
        ("rd.cpio.bz2", "bz2", bz2.compress),
        ("rd.cpio.xz", "xz", lzma.compress),
        ("rd.cpio.zst", "zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_compressed_files_are_unpacked_and_lose_their_extension(
    host: Path, server: OddServer, name: str, compression: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(BODY)
    server.pages[f"/{name}"] = Page(packed, etag='"one"')
    digest = hashlib.sha512(packed).hexdigest()
    for run in "ab":
        got = run_in(host, run).get(
            f"{server.url}/{name}", compression=compression, sha512sum=digest
        )
        assert (got.name, got.read_bytes()) == ("rd.cpio", BODY)


def test_corrupt_and_truncated_compressed_files_are_the_submitters_error(
    host: Path, server: OddServer
) -> None:
    server.pages["/half.gz"] = Page(gzip.compress(BODY)[:-100])
    server.pages["/bad.xz"] = Page(b"no xz at all")
    for name, kind in (("half.gz", "gz"), ("bad.xz", "xz")):
        with pytest.raises(JobError, match=f"is not sound {kind} data"):
            run_in(host).get(f"{server.url}/{name}", compression=kind)


def test_a_bomb_is_stopped(host: Path, server: OddServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABQ_CACHE_BYTES", "1000000")
    server.pages["/bomb.gz"] = Page(gzip.compress(bytes(50_000_000)))
    with pytest.raises(JobError, match="decompresses to more than 1000000 bytes"):
        run_in(host).get(f"{server.url}/bomb.gz", compression="gz")


def test_a_missing_file_is_a_job_error_that_names_it(host: Path, server: OddServer) -> None:
    run = run_in(host)
    with pytest.raises(JobError, match="/nothing: HTTP status 404"):
        run.get(f"{server.url}/nothing")
    assert run.verdicts == [Verdict.FAIL]
    assert server.paths() == ["/nothing"]


def test_a_server_error_is_tried_again(host: Path, server: OddServer) -> None:
    server.pages["/kernel"] = Page(status=503)
    with pytest.raises(InfrastructureError, match="HTTP status 503"):
        run_in(host).get(f"{server.url}/kernel")
    assert server.paths() == ["/kernel"] * 3


def test_a_wrong_checksum_names_both(host: Path, server: OddServer) -> None:
    server.pages["/kernel"] = Page(BODY)
    found = hashlib.md5(BODY).hexdigest()
    with pytest.raises(JobError, match=f"md5 is {found}, the job says {'0' * 32}"):
        run_in(host).get(f"{server.url}/kernel", md5sum="0" * 32)
    assert run_in(host).get(f"{server.url}/kernel", md5sum=found).read_bytes() == BODY


def test_a_truncated_body_is_resumed_where_it_stopped(host: Path, server: OddServer) -> None:
    server.pages["/kernel"] = Page(BODY, etag='"one"', cut=len(BODY) // 2)
    with pytest.raises(JobError, match="timed out"):
        run_in(host, "a", seconds=0.5).get(f"{server.url}/kernel")
    server.pages["/kernel"] = Page(BODY, etag='"one"')
    assert run_in(host, "b").get(f"{server.url}/kernel").read_bytes() == BODY
    assert server.asked[-1][1]["Range"].startswith("bytes=")


def test_a_part_of_another_version_is_not_used(host: Path, server: OddServer) -> None:
    server.pages["/kernel"] = Page(b"a" * len(BODY), etag='"one"', cut=1000)
    with pytest.raises(JobError, match="timed out"):
        run_in(host, "a", seconds=0.5).get(f"{server.url}/kernel")
    server.pages["/kernel"] = Page(BODY, etag='"two"')
    assert run_in(host, "b").get(f"{server.url}/kernel").read_bytes() == BODY


def test_a_redirect_loop_is_named(host: Path, server: OddServer) -> None:
    server.pages["/a"] = Page(status=302, headers={"Location": "/b"})
    server.pages["/b"] = Page(status=302, headers={"Location": "/a"})
    with pytest.raises(JobError, match="/a: more than 10 redirects"):
        run_in(host).get(f"{server.url}/a")


def test_headers_of_the_job_stay_with_the_first_server(host: Path, server: OddServer) -> None:
    with odd_server() as other:
        other.pages["/kernel"] = Page(BODY)
        target = {"Location": f"{other.url}/kernel"}
        server.pages["/kernel"] = Page(status=302, headers=target)
        run_in(host).get(f"{server.url}/kernel", headers={"PRIVATE-TOKEN": "secret"})
        assert server.asked[0][1]["PRIVATE-TOKEN"] == "secret"
        assert "PRIVATE-TOKEN" not in other.asked[0][1]


def test_an_endless_body_is_bounded_by_size(
    host: Path, server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABQ_CACHE_BYTES", "5000000")
    server.pages["/endless"] = Page(endless=True)
    with pytest.raises(JobError, match="/endless: more than 5000000 bytes"):
        run_in(host).get(f"{server.url}/endless")


def test_an_endless_body_is_bounded_by_time(host: Path, server: OddServer) -> None:
    server.pages["/endless"] = Page(endless=True)
    with pytest.raises(JobError, match=r"http-download timed out after .*/endless: [0-9]+ bytes"):
        run_in(host, seconds=0.3).get(f"{server.url}/endless")


def test_nobody_listening_is_the_labs_error(host: Path, server: OddServer) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(InfrastructureError, match="refused"):
        run_in(host).get(f"{url}/kernel")


def test_runs_that_want_the_same_file_fetch_it_once(host: Path, server: OddServer) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    server.pages["/kernel"] = Page(BODY, etag='"one"')
    got: list[bytes] = []

    def work(name: str) -> None:
        got.append(run_in(host, name).get(f"{server.url}/kernel", sha256sum=digest).read_bytes())

    threads = [threading.Thread(target=work, args=(f"run{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [BODY] * 8
    assert sum("If-None-Match" not in headers for _, headers in server.asked) == 1


def test_the_oldest_files_leave_a_full_cache(
    host: Path, server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABQ_CACHE_BYTES", str(5 * len(BODY) // 2))
    for number in range(4):
        server.pages[f"/{number}"] = Page(bytes([number]) + BODY, etag=f'"{number}"')
        run_in(host, f"run{number}").get(f"{server.url}/{number}")
    kept = [path.read_bytes()[0] for path in (host / "host/cache/objects").iterdir()]
    assert sorted(kept) == [2, 3]


def test_the_mirror_of_the_host_is_asked_instead(
    host: Path, server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABQ_HTTP_URL_FORMAT", f"{server.url}/mirror?url=%s")
    page = "/mirror?url=http%3A%2F%2Fexample.com%2Fkernel"
    server.pages[page] = Page(BODY)
    assert run_in(host).get("http://example.com/kernel").read_bytes() == BODY


def test_files_of_the_host_come_from_allowed_folders_only(host: Path) -> None:
    (host / "served" / "kernel").write_bytes(BODY)
    (host / "secret").write_bytes(b"secret")
    (host / "served" / "link").symlink_to(host / "secret")
    assert run_in(host).get(f"file://{host}/served/kernel").read_bytes() == BODY
    for path in ("secret", "served/link", "served/../secret"):
        with pytest.raises(JobError, match="not below the folders"):
            run_in(host).get(f"file://{host}/{path}")
    with pytest.raises(JobError, match="no such file"):
        run_in(host).get(f"file://{host}/served/nothing")


@pytest.mark.parametrize("url", ["ftp://a/b", "gopher://x", "kernel", "scp://host/file"])
def test_other_schemes_are_named(host: Path, url: str) -> None:
    with pytest.raises(JobError, match="not supported"):
        run_in(host).get(url)


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "member",
    [
        _member("../outside"),
        _member("link", tarfile.SYMTYPE, "/etc/passwd"),
        _member("link", tarfile.SYMTYPE, "../../outside"),
        _member("hard", tarfile.LNKTYPE, "../outside"),
        _member("device", tarfile.CHRTYPE),
    ],
)
def test_an_archive_that_leaves_its_folder_is_refused(
    tmp_path: Path, member: tarfile.TarInfo
) -> None:
    archive = tmp_path / "bad.tar.gz"
    archive.write_bytes(_tar((member, b"")))
    with pytest.raises(JobError, match=r"bad\.tar\.gz cannot be unpacked"):
        unpack_tar(archive, tmp_path / "folder", limit=1_000_000)
    assert not (tmp_path / "outside").exists()


def test_a_member_is_never_written_through_a_link_that_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "out").symlink_to(tmp_path)
    archive = tmp_path / "bad.tar.gz"
    archive.write_bytes(_tar((_member("out/escaped"), b"x")))
    with pytest.raises(JobError, match="out/escaped would be outside"):
        unpack_tar(archive, tmp_path / "folder", limit=1_000_000)
    assert not (tmp_path / "escaped").exists()


def test_links_inside_the_folder_are_kept(tmp_path: Path) -> None:
    archive = tmp_path / "good.tar.gz"
    archive.write_bytes(
        _tar(
            (_member("top/file"), b"text"),
            (_member("top/hard", tarfile.LNKTYPE, "top/file"), b""),
            (_member("top/soft", tarfile.SYMTYPE, "file"), b""),
        )
    )
    unpack_tar(archive, tmp_path / "folder", limit=1_000_000, strip=1)
    folder = tmp_path / "folder"
    assert (folder / "hard").samefile(folder / "file")
    assert (folder / "soft").readlink() == Path("file")


def test_set_id_bits_and_foreign_write_rights_are_dropped(tmp_path: Path) -> None:
    member = _member("tool")
    member.mode = 0o6777
    archive = tmp_path / "tool.tar.gz"
    archive.write_bytes(_tar((member, b"x")))
    unpack_tar(archive, tmp_path / "folder", limit=1_000_000)
    assert (tmp_path / "folder" / "tool").stat().st_mode & 0o7777 == 0o755


def test_an_archive_is_unpacked_beside_the_file(host: Path, server: OddServer) -> None:
    server.pages["/rootfs.tar.gz"] = Page(_tar((_member("./etc/hostname"), b"board\n")))
    got = run_in(host).get(f"{server.url}/rootfs.tar.gz", compression="gz", archive="tar")
    assert got.name == "rootfs.tar"
    assert (got.parent / "etc" / "hostname").read_bytes() == b"board\n"


def test_an_archive_of_too_much_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "big.tar.gz"
    archive.write_bytes(_tar((_member("zeros"), bytes(5_000_000))))
    with pytest.raises(JobError, match="unpacks to too much"):
        unpack_tar(archive, tmp_path / "folder", limit=1_000_000)
