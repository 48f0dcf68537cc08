"""From a proposal to a plan: the definition parsed, the dictionary rendered, every step resolved."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from sqlalchemy.orm import Session

from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType, Failure, LabqError
from labq.domain.plan import ConsoleSpec, Plan, PowerSpec, Seat, Upload
from labq.domain.timeout_scale import Scales
from labq.jobdef import multinode
from labq.jobdef.device import DeviceSpec, read_device, render_device
from labq.jobdef.parse import parse_stored
from labq.jobdef.plan import build_plan
from labq.jobdef.plan_timeouts import scale_plan
from labq.jobdef.spec import JobSpec
from labq.jobdef.stored_secrets import fill
from labq.jobdef.templates import InvalidDeviceError, Library
from labq.plans import digest, dump_plan
from labq.services import device_templates
from labq.services.artifacts import make_token
from labq.services.remote_tokens import NOTHING_STORED, Stored
from labq.services.scheduling import BadDevice, Planned, Proposal, Unplannable

LOOK_SECONDS = 10.0
"""How soon a changed template of the site counts."""
MOST_DEVICES = 2000
NO_TEMPLATES = device_templates.Mark(0, None)
log = logging.getLogger(__name__)


class Planner:
    """Plans proposals; a dictionary is rendered once, until a template of the site changes."""

    def __init__(
        self, templates: Sequence[Path], timeout_scales: Scales, secret_key: str = ""
    ) -> None:
        self._secret_key = secret_key
        self._library = Library(folders=tuple(templates))
        self._timeout_scales = timeout_scales
        self._devices: dict[str, DeviceSpec] = {}
        self._files = _look(self._library.folders)
        self._mark = NO_TEMPLATES
        self._look_again = Deadline.after(0)

    def look(self, session: Session) -> None:
        """Forget what was rendered when a template has changed; asked often, it looks seldom."""
        if not self._look_again.is_over():
            return
        folders = self._library.folders
        files, self._files = self._files, _look(folders)
        mark, self._mark = self._mark, device_templates.mark(session)
        if mark != self._mark:
            self._library = device_templates.library(session, folders)
        if (files, mark) != (self._files, self._mark):
            self._devices.clear()
        self._look_again = Deadline.after(LOOK_SECONDS)

    def plan(
        self, proposals: Sequence[Proposal], stored: Stored = NOTHING_STORED
    ) -> tuple[list[Planned], list[Unplannable | BadDevice]]:
        """Return the plans that could be built, and why the others could not.

        `stored` has the remote tokens of the submitters.
        """
        planned: list[Planned] = []
        refused: list[Unplannable | BadDevice] = []
        for proposal in proposals:
            one = self._plan_one(proposal, stored)
            if isinstance(one, Planned):
                planned.append(one)
            else:
                refused.append(one)
        return planned, refused

    def _plan_one(self, proposal: Proposal, stored: Stored) -> Planned | Unplannable | BadDevice:
        try:
            return self._build(proposal, stored)
        except InvalidDeviceError as error:
            return BadDevice(proposal.device, str(error))
        except LabqError as error:
            return Unplannable(proposal.job, error.failure())
        except Exception as error:
            log.exception("job %d cannot be planned for %s", proposal.job, proposal.device)
            message = f"planning failed: {type(error).__name__}: {error}"
            return Unplannable(proposal.job, Failure(type=ErrorType.BUG, message=message))

    def _build(self, proposal: Proposal, stored: Stored) -> Planned:
        filled = fill(
            _parsed(proposal.definition), lambda text: stored.find(proposal.submitter, text)
        )
        spec = filled.spec
        built = build_plan(
            spec,
            self._device(proposal, spec),
            run=proposal.run,
            job=proposal.job,
            host=proposal.host,
            host_address=proposal.host_address,
        )
        built = scale_plan(built, proposal.timeout_scales, self._timeout_scales)
        masks = tuple(dict.fromkeys((*built.masks, *filled.values)))
        built = replace(built, upload=self._upload(proposal), seat=_seat(proposal, spec))
        built = replace(built, masks=masks)
        built = _as_guest(built) if proposal.is_guest else built
        text = dump_plan(built)
        return Planned(proposal=proposal, plan=built, text=text, digest=digest(text))

    def _upload(self, proposal: Proposal) -> Upload | None:
        """Return how the run's files are sent; None on a server without a secret key."""
        if not self._secret_key:
            return None
        token = make_token(self._secret_key, proposal.run)
        return Upload(token=token, consoles=proposal.keeps_console)

    def _device(self, proposal: Proposal, spec: JobSpec) -> DeviceSpec:
        if len(self._devices) >= MOST_DEVICES:
            self._devices.clear()
        name, device_type = proposal.device, proposal.device_type
        key = json.dumps([name, device_type, proposal.template, dict(spec.context)])
        if key not in self._devices:
            dictionary = render_device(
                proposal.template,
                name=name,
                device_type=device_type,
                context=spec.context,
                library=self._library,
            )
            self._devices[key] = read_device(
                dictionary, name=name, device_type=device_type, context=spec.context
            )
        return self._devices[key]


def _look(folders: Sequence[Path]) -> frozenset[tuple[str, int, int]]:
    """Return what tells the site's templates of now from changed ones."""
    found: set[tuple[str, int, int]] = set()
    for folder in folders:
        for path in folder.rglob("*.jinja2"):
            with suppress(FileNotFoundError):
                state = path.stat()
                found.add((str(path), state.st_mtime_ns, state.st_size))
    return frozenset(found)


def _seat(proposal: Proposal, spec: JobSpec) -> Seat | None:
    """Return what the run is in its group, None for a job without one."""
    place, said = proposal.place, multinode.seat(spec)
    if place is None or said is None:
        return None
    return Seat(
        group=place.group,
        name=place.name,
        member=place.member,
        role=place.role,
        roles=place.roles,
        timeout=spec.timeouts.job if said.timeout is None else said.timeout,
        start_role=place.start_role,
    )


def _as_guest(plan: Plan) -> Plan:
    """Return the plan of one that logs in to a device that another run has: it holds nothing of it.

    Its console is that of a program, which a step starts.
    """
    return replace(
        plan,
        device=f"{plan.device}-guest-{plan.run}",
        locks=(),
        consoles=(ConsoleSpec(channel="guest", kind="emulator"),),
        power=PowerSpec(kind="emulator"),
    )


@lru_cache(maxsize=64)
def _parsed(definition: str) -> JobSpec:
    """Return the parsed definition; the same text is often submitted many times in a row."""
    return parse_stored(definition)
