"""Containers on the host: one builder of `docker run`, images fetched, nothing left behind.

Every container has the labels `labq.run`, `labq.job` and `labq.device`, and a name that the run
remembers: `collect` removes what is still there, whatever became of the step that started it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labq.actions.parameters import DockerLogin, DockerOptions
from labq.actions.steps import tool
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.hw.session import Session

CONTAINERS = "containers"
"""Under this key a run remembers its containers: how `docker` is called, then the name."""
_LOGIN = 'exec "$@" <password'


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the host, seen at `target` in the container."""

    source: Path
    target: str
    read_only: bool = False

    @property
    def option(self) -> str:
        """Return the option of `docker run`."""
        end = ",readonly" if self.read_only else ""
        return f"--mount=type=bind,source={self.source},destination={self.target}{end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container to be. `global_options` go before `run`, `options` after it, as they are."""

    image: str
    name: str
    labels: Mapping[str, str]
    is_local: bool = False
    login: DockerLogin | None = None
    global_options: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    network: str = ""
    hostname: str = ""
    workdir: str = ""
    devices: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    has_init: bool = True

    def run(self, *words: str, terminal: bool = False, detached: bool = False) -> list[str]:
        """Return the command line that starts it with this program; it is gone when that ends.

        With `terminal` it is for a pseudo terminal (an Emulator or console), not for `Session.run`.
        """
        argv = ["docker", *self.global_options, "run", *self.options]
        argv += ["--interactive", "--tty"] if terminal else []
        argv += ["--detach"] if detached else []
        return [*argv, "--rm", f"--name={self.name}", *self._settings(), self.image, *words]

    def execute(self, *words: str, terminal: bool = False) -> list[str]:
        """Return the command line of another program in the container that runs."""
        options = ["--interactive", "--tty"] if terminal else []
        return ["docker", *self.global_options, "exec", *options, self.name, *words]

    def _settings(self) -> Iterator[str]:
        if self.has_init:
            yield "--init"
        yield from (f"--label={name}={value}" for name, value in self.labels.items())
        for option in ("network", "hostname", "workdir"):
            if value := getattr(self, option):
                yield f"--{option}={value}"
        yield from (f"--device={device}" for device in self.devices)
        yield from (mount.option for mount in self.mounts)
        yield from (f"--env={name}={value}" for name, value in self.environment.items())


def container_of(work: Work, image: str, parameters: DockerOptions) -> Container:
    """Return the container that a block of a job asks for; more is set by `dataclasses.replace`."""
    plan = work.session.plan
    suffix = f"-lava-{plan.job}"
    level = ".".join(map(str, work.numbers[:-1])) or str(work.session.step.action)
    name = f"{parameters.container_name}{suffix}" if parameters.container_name else ""
    other = parameters.network_from
    return Container(
        image=image,
        name=name or f"lava-{plan.job}-{level}",
        labels={"labq.run": str(plan.run), "labq.job": str(plan.job), "labq.device": plan.device},
        is_local=parameters.local,
        login=parameters.login,
        network=f"container:{other}{suffix}" if other else "",
    )


def method_options(session: Session) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the dictionary's `global_options` and `options` of docker test shells, flat."""
    part = lookup(session.plan.dictionary, "actions", "test", "methods", "docker")
    known = part if isinstance(part, Mapping) else {}
    return tuple(_flat(known.get("global_options"))), tuple(_flat(known.get("options")))


def resource_options(options: Mapping[str, object]) -> tuple[str, ...]:
    """Return what `options` of boot methods `docker` and `fvp` mean for `docker run`."""
    found: list[str] = []
    for key, option in (("cpus", "--cpus"), ("memory", "--memory")):
        if options.get(key):
            found += [option, str(options[key])]
    if options.get("privileged"):
        found.append("--privileged")
    lists = ("capabilities", "--cap-add"), ("devices", "--device")
    for key, option in (*lists, ("networks", "--network"), ("volumes", "--volume")):
        for value in texts(options.get(key)):
            found += [option, value]
    for text in texts(options.get("extra_arguments")):
        found += tool.words_of(text)
    return tuple(found)


def prepare(work: Work, container: Container, deadline: Deadline) -> None:
    """Bring the container's image to this host, and remember the container for clean-up.

    A local image that is not there is fetched, too. What an earlier try left is removed.
    """
    fetch_image(work, container, deadline)
    remember(work.session, container)
    docker = ["docker", *container.global_options]
    _remove(work.session, docker, container.name, deadline)


def fetch_image(work: Work, container: Container, deadline: Deadline) -> None:
    """Bring the container's image to this host; a local one only when it is not there."""
    if not container.is_local or not _has_image(work, container, deadline):
        docker = ("docker", *container.global_options)
        pull(work, container.image, deadline, login=container.login, docker=docker)


def pull(
    work: Work,
    image: str,
    deadline: Deadline,
    *,
    login: DockerLogin | None = None,
    docker: Sequence[str] = ("docker",),
) -> None:
    """Fetch an image from its registry, after a login that is for this alone."""
    if login is None:
        tool.must(work, [*docker, "pull", image], deadline, error=InfrastructureError)
        return
    folder = work.session.folder / "docker-login"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        # Arguments of a process can be read by everyone on the host: the password is in a file.
        secret = os.open(folder / "password", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(secret, "w") as file:
            file.write(login.password)
        client = [*docker, "--config", str(folder)]
        argv = [*client, "login", "--username", login.user, "--password-stdin", login.registry]
        tool.must(work, ["sh", "-c", _LOGIN, "sh", *argv], deadline, cwd=folder)
        tool.must(work, [*client, "pull", image], deadline, error=InfrastructureError)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remember(session: Session, container: Container) -> None:
    """Remember a container, so that the run's end removes it."""
    known = [*_remembered(session)]
    one = ["docker", *container.global_options, container.name]
    if one not in known:
        session.remember(CONTAINERS, [*known, one])


def clean(session: Session, deadline: Deadline) -> None:
    """Remove the containers of this run that are still there."""
    for *docker, name in _remembered(session):
        _remove(session, docker, name, deadline)


def _remembered(session: Session) -> list[list[str]]:
    known = session.recall(CONTAINERS)
    return [texts(one) for one in known] if isinstance(known, list) else []


def _remove(session: Session, docker: list[str], name: str, deadline: Deadline) -> None:
    """Remove a container, which need not be there."""
    session.run([*docker, "rm", "--force", "--volumes", name], deadline)


def _has_image(work: Work, container: Container, deadline: Deadline) -> bool:
    argv = ["docker", *container.global_options, "image", "inspect", "--format"]
    argv += [f"Image {container.image} exists locally", container.image]
    return tool.call(work, argv, deadline).returncode == 0


def _flat(value: object) -> Iterator[str]:
    """Yield the words of a list with lists and nulls in it."""
    for one in value if isinstance(value, list | tuple) else ():
        if isinstance(one, list | tuple):
            yield from texts(one)
        elif one is not None:
            yield str(one)
