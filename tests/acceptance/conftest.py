"""One whole labq for the session: servers, workers, bench and five kinds of virtual devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.client import Client
from tests.lab.files import FileServer, serve
from tests.lab.repositories import Forge, forge
from tests.lab.server import Server, running

HERE = Path(__file__).parent
TEST_SECONDS = 300
DEVICES = "shell=4,uml=1,qemu=1,uboot=1,fastboot=1"


@dataclass(frozen=True, slots=True)
class Lab:
    """A running labq and what jobs download from."""

    server: Server
    files: FileServer
    forge: Forge
    folder: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give whole jobs more time than other tests: the machine may be busy."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Run labq with its devices until the session ends."""
    folder = tmp_path_factory.mktemp("lab")
    served, repositories = folder / "files", folder / "repositories"
    served.mkdir()
    repositories.mkdir()
    with serve(served) as files, forge(repositories) as git, running(folder, DEVICES) as server:
        yield Lab(server, files, git, folder)


@pytest.fixture
def client(lab: Lab) -> Iterator[Client]:
    """Return a client that is logged in as the lab's admin."""
    client = Client(lab.server.url, lab.server.token)
    yield client
    client.close()


@pytest.fixture
def stranger(lab: Lab) -> Iterator[Client]:
    """Return a client that is not logged in."""
    client = Client(lab.server.url)
    yield client
    client.close()
