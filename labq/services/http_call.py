"""One HTTP request to a stranger: the name resolved once, the address checked, the whole bounded."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

import httpx

from labq.domain import outbound
from labq.domain.outbound import Address, Rules, Target

TIMEOUT_SECONDS = 5.0
"""For all of it: the name, the connection, the request, the head of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send; `body` is None for no body."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


def call(request: Request, rules: Rules, seconds: float = TIMEOUT_SECONDS) -> str:
    """Make a request and return what was wrong with its answer, empty when nothing was.

    The answer's body is not read, redirects are not followed, proxies of the environment not used.
    Raises RefusedError for a URL that must not be called.
    """
    target = outbound.read_target(request.url)
    try:
        return asyncio.run(_call(request, target, rules, seconds))
    except TimeoutError:
        return f"{target.host} did not answer within {seconds:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


async def _call(request: Request, target: Target, rules: Rules, seconds: float) -> str:
    async with asyncio.timeout(seconds):
        address = await _resolve(target, rules)
        async with httpx.AsyncClient(trust_env=False, timeout=seconds) as client:
            built = _build(client, request, target, address)
            answer = await client.send(built, stream=True, follow_redirects=False)
            await answer.aclose()
    return _judge(answer, target)


async def _resolve(target: Target, rules: Rules) -> Address:
    """Return the address to connect to: the very one that was checked."""
    found = await asyncio.get_running_loop().getaddrinfo(
        target.host, target.port, type=socket.SOCK_STREAM
    )
    return outbound.choose(rules, target, [str(where[0]) for *_, where in found])


def _build(
    client: httpx.AsyncClient, request: Request, target: Target, address: Address
) -> httpx.Request:
    """Return the request for the address, which names the host as the URL does."""
    url = httpx.URL(request.url)
    return client.build_request(
        request.method,
        url.copy_with(host=str(address)),
        headers={**request.headers, "Host": url.netloc.decode("ascii")},
        content=request.body,
        extensions={"sni_hostname": target.host},
    )


def _judge(answer: httpx.Response, target: Target) -> str:
    if answer.is_success:
        return ""
    if answer.is_redirect:
        where = answer.headers.get("Location", "")[:200]
        return f"{target.host} answered {answer.status_code}: redirects are not followed ({where})"
    return f"{target.host} answered {answer.status_code}"
