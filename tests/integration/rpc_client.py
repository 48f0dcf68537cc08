"""Calls of LAVA's XML-RPC through the application's test client, as a client would make them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault, dumps, loads

from tests.integration.web_site import Person, Site


@dataclass(frozen=True, slots=True)
class Rpc:
    """Somebody who calls: a person, or a stranger."""

    site: Site
    person: Person | None = None

    def __call__(self, method: str, *arguments: Any) -> Any:
        """Return what a method returns; raises Fault."""
        answer = self.post(dumps(arguments, method, allow_none=True).encode())
        assert answer.status_code == 200, answer.text
        (value,), _ = loads(answer.data, use_builtin_types=True)
        return value

    def fault(self, method: str, *arguments: Any) -> Fault:
        """Return the fault that a method answers with."""
        try:
            value = self(method, *arguments)
        except Fault as fault:
            return fault
        raise AssertionError(f"{method} returned {value!r}")

    def post(self, body: bytes, **headers: str) -> Any:
        """Return the answer to any body."""
        return self.site.client.post("/RPC2", data=body, headers={**self._credentials(), **headers})

    def _credentials(self) -> dict[str, str]:
        return {} if self.person is None else basic(self.person.name, self.person.token)


def basic(user: str, secret: str) -> dict[str, str]:
    """Return the header that names a user."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"}
