"""Artifacts on their way from a host: they wait on its disk until the server has them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import zstandard
from werkzeug.serving import make_server

from labq.config import Settings
from labq.domain.plan import Upload
from labq.services import artifacts
from tests.integration.bench_lab import Lab, a_lab, a_plan, read_until, until
from tests.integration.web_site import Person, Site


@pytest.fixture
def port() -> int:
    """Return a port on which nothing listens yet."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def host(tmp_path: Path, redis_url: str, port: int) -> Iterator[Lab]:
    """Return a host that knows where its server will be."""
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "host").mkdir()
    with a_lab(tmp_path / "host", redis_url, LABQ_SERVER_URL=url) as lab:
        yield lab


@contextmanager
def serving(site: Site, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, site.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def do_run(host: Lab, run: int, upload: Upload, files: dict[str, bytes]) -> Path:
    """Do a run with a console that leaves files; return its folder."""
    host.announce(a_plan(run, upload=upload))
    for step in (0, 1):
        session = host.step(run, step)
        if step == 0:
            console = session.console()
            console.send(b"hello\n")
            read_until(console, b"did hello")
        session.end(None)
        session.release()
    session = host.step(run, 2)
    for name, data in files.items():
        path = session.artifacts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    session.keep_consoles()
    session.end(None)
    session.release()
    return host.folder / "runs" / str(run)


def test_files_of_a_run_outlive_a_killed_bench_and_an_outage_of_the_server(
    site: Site, ann: Person, settings: Settings, host: Lab, port: int
) -> None:
    job, run = site.finished_job(ann, site.device())
    site.change("UPDATE run SET ended_at = now()")
    token = artifacts.make_token(settings.secret_key, run)
    large = b"0123456789abcdef" * (9 * 1024 * 64)
    folder = do_run(host, run, Upload(token=token), {"large.bin": large, "deep/empty": b""})
    until(lambda: host.folder.joinpath("tombstones", str(run)).exists())
    host.kill_bench()
    assert (folder / "artifacts" / "large.bin").exists()
    host.start_bench()
    with serving(site, port):
        until(lambda: len(site.get(f"/jobs/{job}/artifacts", ann).json) == 3)
        until(lambda: not folder.exists())
        found = {one["name"]: one for one in site.get(f"/jobs/{job}/artifacts", ann).json}
        assert set(found) == {"large.bin", "deep/empty", "console-main.raw.zst"}
        assert (found["large.bin"]["bytes"], found["deep/empty"]["bytes"]) == (len(large), 0)
        with site.get(found["console-main.raw.zst"]["url"], ann) as packed:
            raw = zstandard.ZstdDecompressor().decompressobj().decompress(packed.data)
    assert b"did hello" in raw


def test_what_the_server_refuses_is_said_in_the_log_and_given_up(
    site: Site, ann: Person, host: Lab, port: int
) -> None:
    _, run = site.finished_job(ann, site.device())
    with serving(site, port):
        folder = do_run(host, run, Upload(token="wrong"), {"a b": b"1", "good": b"2"})
        until(lambda: not folder.exists())
    said = [text for text in host.messages(run, "warning") if "artifact not stored" in text]
    assert any("a b" in text and "no relative path" in text for text in said)
    assert any("good: 401" in text and "not the token" in text for text in said)


def test_a_run_without_files_asks_nothing_of_the_server(host: Lab) -> None:
    host.announce(a_plan(7, upload=Upload(token="unused")))
    for step in (0, 1, 2):
        session = host.step(7, step)
        session.end(None)
        session.release()
    until(lambda: not (host.folder / "runs" / "7").exists())
    assert not [text for text in host.messages(7, "warning") if "artifact" in text]
