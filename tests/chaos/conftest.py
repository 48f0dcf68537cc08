"""A labq of its own for tests that kill its parts, with devices that notice what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from tests.chaos import board as boards
from tests.chaos.board import Board
from tests.lab.client import Client
from tests.lab.files import FileServer, serve
from tests.lab.server import Server, running

HERE = Path(__file__).parent
TEST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Ground:
    """A running labq whose parts may be killed."""

    server: Server
    client: Client
    files: FileServer
    folder: Path
    numbers: count[int] = field(default_factory=count)

    def board(self) -> Board:
        """Return a new device of this test's own."""
        name = f"{self.folder.name}-{next(self.numbers)}"
        return boards.add(self.server, self.folder / name, name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests more time than others: what is killed has to come back."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(scope="session")
def chaos_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, FileServer]]:
    """Run labq for these tests until the session ends."""
    folder = tmp_path_factory.mktemp("chaos")
    served = folder / "files"
    served.mkdir()
    with serve(served) as files, running(folder, "shell=1") as server:
        yield server, files


@pytest.fixture
def ground(
    chaos_server: tuple[Server, FileServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """Return the labq of these tests with a folder for this test's devices."""
    server, files = chaos_server
    client = Client(server.url, server.token)
    yield Ground(server, client, files, tmp_path_factory.mktemp("recorder"))
    client.close()
