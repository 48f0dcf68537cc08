"""Takes secrets out of a job definition's text; what is left is as it was, comments and all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

import yaml

REDACTED = "redacted"
# A name that can never be resolved (RFC 2606): callbacks of a copy go nowhere.
NOWHERE = "http://redacted.invalid/"
SUSPICIOUS = (
    r"secret|notify|token|headers|passw|credential|api_?-?key|private_?-?key|://[^/[:space:]]*@"
)
"""What a text with a secret has in it, in any case: a regular expression of PostgreSQL."""
_MASKED_MAPPINGS = frozenset({"secrets", "headers"})
_SECRET_NAME = re.compile(
    r"secret|token|passw|credential|api[_-]?key|private[_-]?key", re.IGNORECASE
)
_NO_SECRET_NAME = re.compile(r"prompts?$", re.IGNORECASE)
# Of a notification: who and where. The rest says when, and in which form.
_NOTIFIED = frozenset({"url", "header", "email", "user", "handle", "server", "to", "channel"})
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/\s@'\"]+@")


class Look(Enum):
    """What part of a definition is looked for secrets."""

    FOR_NAMES = "values whose names say that they are secret"
    FOR_ADDRESSES = "these, and whom a notification goes to"
    ALL = "every value"


def redact(text: str) -> str:
    """Return a definition without the values of its secrets.

    These are everything in `secrets` and `headers`, whom `notify` tells and how, values whose names
    say so (token, password, ...), and log-ins in URLs. A text that is no YAML is left out whole.
    """
    try:
        found = _redact_values(text)
        yaml.compose(found, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return f"# {REDACTED}: it could not be read\n"
    return _LOGIN_IN_URL.sub(f"{REDACTED}@", found)


def _redact_values(text: str) -> str:
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if root is None:
        return text
    spans = {node.start_mark.index: (node, name) for node, name in _secrets(root)}
    parts, at = [], 0
    for start, (node, name) in sorted(spans.items()):
        end = node.end_mark.index
        parts += [text[at:start], _instead(name, text[start:end])]
        at = end
    return "".join([*parts, text[at:]])


def _instead(name: str, former: str) -> str:
    """Return what stands for a value; one in several lines ends with the same newline."""
    tail = former[len(former.rstrip()) :]
    return (NOWHERE if name == "url" else REDACTED) + tail


def _secrets(root: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, str]]:
    """Yield the scalars to be replaced with the name of each; shared parts are looked at once."""
    waiting = [(root, "", Look.FOR_NAMES)]
    seen: set[tuple[int, Look]] = set()
    while waiting:
        node, name, look = waiting.pop()
        if (id(node), look) in seen:
            continue
        seen.add((id(node), look))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                waiting.append((value, str(key.value), _look(str(key.value), look, node is root)))
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(item, name, look) for item in node.value]
        elif (
            isinstance(node, yaml.ScalarNode)
            and _is_secret(name, look)
            and node.start_mark.index < node.end_mark.index
        ):
            yield node, name


def _look(name: str, look: Look, is_at_top: bool) -> Look:  # noqa: FBT001 - one caller
    """Return how the value of this name is looked at."""
    if look is Look.ALL or name in _MASKED_MAPPINGS:
        return Look.ALL
    if _SECRET_NAME.search(name) and not _NO_SECRET_NAME.search(name):
        return Look.ALL
    return Look.FOR_ADDRESSES if is_at_top and name == "notify" else look


def _is_secret(name: str, look: Look) -> bool:
    return look is Look.ALL or (look is Look.FOR_ADDRESSES and name in _NOTIFIED)
