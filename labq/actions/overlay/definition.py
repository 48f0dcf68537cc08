"""Test definitions of format "Lava-Test Test Definition 1.0", parsed leniently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from labq.domain.errors import JobError

FORMAT = "Lava-Test Test Definition 1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """A repository that a definition wants beside its files."""

    url: str
    branch: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestScript:
    """What a test definition says, with the job's parameters over its own."""

    __test__ = False
    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    deps: tuple[str, ...] = ()
    repositories: tuple[GitSource, ...] = ()
    install_steps: tuple[str, ...] = ()
    run_steps: tuple[str, ...] = ()
    expected: tuple[str, ...] | None = None
    pattern: str = ""
    fixups: Mapping[str, str] = field(default_factory=dict)


def parse_definition(content: str | Mapping[str, object], where: str) -> Mapping[str, object]:
    """Return the mapping of a definition; raises JobError naming `where` it came from."""
    try:
        document = yaml.load(content, _Loader) if isinstance(content, str) else content  # noqa: S506  (_Loader is the safe one)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise JobError(f"test definition {where} is not YAML: {error}") from error
    if not isinstance(document, Mapping):
        raise JobError(f"test definition {where} is not a mapping")
    metadata = document.get("metadata")
    found = metadata.get("format") if isinstance(metadata, Mapping) else None
    if found != FORMAT:
        raise JobError(f"test definition {where}: metadata.format is {found!r}, not {FORMAT!r}")
    return document


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_definition(
    document: Mapping[str, object], given: Mapping[str, str], os: str = ""
) -> TestScript:
    """Return the script of a parsed definition; `given` are the job's parameters."""
    install, run = _mapping(document.get("install")), _mapping(document.get("run"))
    parse = _mapping(document.get("parse"))
    expected = document.get("expected")
    return TestScript(
        text=yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True),
        parameters=_parameters(document, given),
        keys=_lines(install.get("keys")),
        sources=_lines(install.get("sources")),
        deps=(*_lines(install.get("deps")), *(_lines(install.get(f"deps-{os}")) if os else ())),
        repositories=tuple(_repositories(install.get("git-repos"))),
        install_steps=_lines(install.get("steps")),
        run_steps=_lines(run.get("steps")),
        expected=_lines(expected) if expected is not None else None,
        pattern=str(parse.get("pattern") or ""),
        fixups={str(key): str(value) for key, value in _mapping(parse.get("fixupdict")).items()},
    )


def _parameters(document: Mapping[str, object], given: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for key in ("params", "parameters"):
        values |= {str(name): str(value) for name, value in _mapping(document.get(key)).items()}
    return values | dict(given)


def _repositories(value: object) -> Sequence[GitSource]:
    found = []
    for item in value if isinstance(value, list) else []:
        if isinstance(item, str):
            found.append(GitSource(url=item))
        elif isinstance(item, Mapping) and not item.get("skip_by_default"):
            parts = {key: str(item.get(key) or "") for key in ("url", "branch", "destination")}
            found.append(GitSource(**parts))
    return found


def _lines(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(_text(item) for item in value) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
