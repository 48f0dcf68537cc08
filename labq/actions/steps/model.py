"""An Arm model in its container: started like an emulator, its consoles found by what it prints."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from labq.actions.parameters import NamedDocker
from labq.actions.steps import docker, tool
from labq.actions.steps.docker import Container, Mount
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.power import primary_console
from labq.actions.steps.work import Work, expired
from labq.domain.errors import JobError
from labq.domain.model_channels import (
    CONTAINER,
    OUTPUT,
    PRIMARY_PORT,
    feedback_channel,
    port_place,
)
from labq.domain.verdicts import Verdict
from labq.hw.expect import Alternative, Expect, Found, alternative
from labq.hw.session import Emulator

PLACEHOLDERS = "placeholders"
"""Under this key the host finds what the commands of consoles have places for."""
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


@dataclass(slots=True)
class Model:
    """One model: the program in the image and its arguments, with places for the deployed images."""

    work: Work
    image: NamedDocker
    program: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    container: Container = field(init=False)

    def __post_init__(self) -> None:
        """Set up the container: it sees all images side by side, which models' libraries need."""
        options = self.work.session.step.device.get("options")
        container = docker.container_of(self.work, self.image.name, self.image)
        paths = deployed(self.work.session).values()
        self.container = replace(
            container,
            hostname="lava",
            options=docker.resource_options(options if isinstance(options, Mapping) else {}),
            mounts=tuple(Mount(path, f"/{container.name}/{path.name}") for path in paths),
            environment=self.environment,
            has_init=False,
        )

    def report_version(self, pattern: str) -> None:
        """Report what the model says of its version as the case `fvp-version`."""
        with self.work.action("check-fvp-version") as deadline:
            began = self.work.clock()
            docker.prepare(self.work, self.container, deadline)
            said = tool.must(self.work, self.container.run(self.program, "--version"), deadline)
            found = alternative("version", pattern).regex.match(said.encode())
            version = found[0].decode(errors="replace") if found else said
            took = self.work.clock() - began
            details = {"fvp-version": version.strip()}
            self.work.report("fvp-version", Verdict.PASS, took, details)

    def start(self, console: str, feedbacks: Sequence[str], *, by_telnet: bool) -> Expect:
        """Start the model and wait for all its ports; returns what it prints.

        By telnet the consoles are opened within the container, and have been when this returns.
        """
        session = self.work.session
        seconds = self.work.seconds("run-fvp")
        with self.work.action("run-fvp", case=True) as deadline:
            docker.prepare(self.work, replace(self.container, is_local=True), deadline)
            argv = self.container.run(self.program, *self._words(), terminal=True)
            self.work.info(f"Calling: {argv!r}")
            channel = OUTPUT if by_telnet else primary_console(session.plan).channel
            emulator = Emulator(
                argv=tuple(argv), channel=channel, cwd=session.folder, has_terminal=True
            )
            expect = Expect(session.start(emulator))
            wanted = _patterns(console, feedbacks)
            places = {CONTAINER: self.container.name}
            while wanted:
                found = expect.wait(wanted, deadline)
                if found is None:
                    last = expect.tail() or "nothing"
                    facts = f"{[one.name for one in wanted]} never came; the model said: {last}"
                    raise expired("run-fvp", seconds, facts)
                wanted = [one for one in wanted if one.name != found.name]
                places[found.name] = _port(found)
                self.work.info(f"found port {places[found.name]} ({found.name})")
            session.remember(PLACEHOLDERS, places)
        if by_telnet:
            self._connect(feedbacks)
        return expect

    def execute(self, commands: Sequence[str]) -> None:
        """Run commands in one shell beside the model."""
        argv = self.container.execute("sh", "-c", "\n".join(["set -ex", *commands]))
        tool.flash(self.work, "run-fvp-shell-commands", [argv])

    def _connect(self, feedbacks: Sequence[str]) -> None:
        with self.work.action("fvp-serial-connect", case=True):
            for number, pattern in enumerate(feedbacks):
                self.work.session.console(feedback_channel(pattern, number))
            self.work.session.console()

    def _words(self) -> list[str]:
        values = {
            label.upper(): f"/{self.container.name}/{path.name}"
            for label, path in deployed(self.work.session).items()
        }
        values["ARTIFACT_DIR"] = f"/{self.container.name}"
        return [_filled(word, values) for text in self.arguments for word in _split(text)]


def _patterns(console: str, feedbacks: Sequence[str]) -> list[Alternative]:
    """Return what the model prints of its consoles, by the places for their ports."""
    found = [alternative(PRIMARY_PORT, console)]
    for number, pattern in enumerate(feedbacks):
        found.append(alternative(port_place(feedback_channel(pattern, number)), pattern))
    return found


def _port(found: Found) -> str:
    port = found.match.groupdict().get("PORT") or b""
    return bytes(port).decode(errors="replace")


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise JobError(f"argument {text!r} is not quoted well: {error}") from error


def _filled(word: str, values: Mapping[str, str]) -> str:
    """Return the word with `{NAME}` replaced, and `{{` and `}}` as single braces."""

    def _value(place: re.Match[str]) -> str:
        if place[1] is None:
            return place[0][0]
        if place[1] not in values:
            known = ", ".join(values)
            raise JobError(f"{place[0]} in {word!r} is no image (write {{{{ for a brace): {known}")
        return values[place[1]]

    return _BRACES.sub(_value, word)
