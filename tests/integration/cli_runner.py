"""The installed `labq` against the web application on a real port."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from waitress.server import create_server

from tests.integration.web_site import Person, Site

SECONDS = 60


@dataclass(frozen=True, slots=True)
class Cli:
    """Runs commands as some user of a server, with a home of their own."""

    url: str
    home: Path

    def __call__(
        self,
        *words: object,
        person: Person | None = None,
        stdin: str = "",
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        token = {"LABQ_TOKEN": person.token} if person else {}
        plain = {name: text for name, text in os.environ.items() if not name.startswith("LABQ_")}
        homes = {"XDG_CONFIG_HOME": str(self.home), "XDG_STATE_HOME": str(self.home)}
        return subprocess.run(
            [str(Path(sys.executable).with_name("labq")), *map(str, words)],
            env={**plain, **homes, "LABQ_URL": self.url, **token, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@contextmanager
def served(site: Site) -> Iterator[str]:
    """Serve the application on a free port; give its URL."""
    server = create_server(site.app, host="127.0.0.1", port=0, threads=4)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        thread.join(10)
