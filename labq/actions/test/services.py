"""Test `services`: start containers beside the device by docker compose."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from labq.actions.method import Method
from labq.actions.parameters import Artifact, Parameters
from labq.actions.steps import compose, tool
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.download import Download, download
from labq.actions.steps.git import Clone, clone
from labq.actions.steps.unpack import unpack_tar
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Level, Name, Text, TextTable, is_run, refusals
from labq.config import load
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_COMMON = ("name", "from", "repository", "path", "service")
KEYS: Mapping[str, tuple[str, ...]] = {
    "git": (*_COMMON, "branch", "history", "recursive", "revision"),
    "url": (*_COMMON, "compression", "headers"),
}
"""What may be said of a service, by where its file comes from."""


class Service(Parameters):
    """One compose file (`path` in `repository`); `service` names the one of it that is started."""

    source: Literal["git", "url"] = Field(alias="from")
    name: Name
    repository: Text
    path: Text
    service: Text = ""
    branch: Text = ""
    revision: Text = ""
    history: Flag = True
    recursive: Flag = False
    compression: Text = ""
    headers: TextTable = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _has_keys_of_its_source(cls, data: Any, info: ValidationInfo) -> Any:
        """Judge the keys as LAVA does: those of another kind of source are unknown."""
        if is_run(info) or not isinstance(data, dict):
            return data
        source = data.get("from")
        known = KEYS.get(source, ()) if isinstance(source, str) else ()
        odd = [key for key in data if key not in known] if known else []
        if odd and info.context is Level.STRICT:
            raise refusals(
                *(((str(key),), f"unknown key in a service from {source}") for key in odd)
            )
        return {key: data[key] for key in data if key not in odd}


class ServicesParameters(Parameters):
    """A test block with `services`."""

    services: list[Service]


def check(parameters: ServicesParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Refuse doubled names."""
    names = [service.name for service in parameters.services]
    return [
        Problem(path=f"services[{index}].name", message=f"the name {name!r} is used twice")
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def run(session: Session, parameters: ServicesParameters) -> None:
    """Start the services one after the other; the end of the run stops them."""
    if lookup(session.plan.dictionary, "parameters", "allow_test_services") is not True:
        raise JobError(
            f"device {session.plan.device} does not allow test services on its host: its dictionary "
            "has no 'allow_test_services: true' below 'parameters'"
        )
    work = Work(session)
    with work.block("lava-test-services"):
        for service in parameters.services:
            with work.action("lava-test-service", case=True) as deadline:
                _start(work, service, deadline)


def _start(work: Work, service: Service, deadline: Deadline) -> None:
    folder = work.session.folder / "services" / service.name
    _fetch(work, service, folder, deadline)
    file = (folder / service.path).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise JobError(f"{service.path!r} is no file of {service.repository}")
    compose.write_environment(work, folder)
    project = f"lava-{work.session.plan.job}-{work.session.step.action}-test-service-{service.name}"
    words = compose.program(work, deadline)
    words += ["--project-name", re.sub(r"[^-_a-z0-9]", "-", project.lower()), "--file", str(file)]
    compose.remember(work.session, [*words, "down"])
    work.info(f"Starting test service {service.name} ...")
    only = [service.service] if service.service else []
    started = [*words, "up", "--detach", *only]
    tool.must(work, started, deadline, cwd=folder, error=InfrastructureError)


def _fetch(work: Work, service: Service, folder: Path, deadline: Deadline) -> None:
    if service.source == "git":
        work.info(f"Fetching {service.repository} ...")
        wanted = Clone(
            url=service.repository,
            folder=folder,
            branch=service.branch,
            revision=service.revision,
            recursive=service.recursive,
            history=service.history,
        )
        clone(work.session, wanted, deadline)
        return
    artifact = Artifact(url=service.repository, headers=service.headers)
    place = work.session.folder / "services-packed" / service.name
    packed = download(work, Download(artifact=artifact, folder=place))
    shutil.rmtree(folder, ignore_errors=True)
    unpack_tar(packed, folder, limit=load().cache_bytes)


METHOD = Method(
    name="services",
    action="lava-test-service-retry",
    parameters=ServicesParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    run=run,
    check=check,
)
