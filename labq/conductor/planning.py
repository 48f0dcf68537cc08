"""From a proposal to a plan: the definition parsed, the dictionary rendered, every step resolved."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType, Failure, LabqError
from labq.domain.plan import Upload
from labq.domain.timeout_scale import Scales
from labq.jobdef.device import DeviceSpec, read_device, render_device
from labq.jobdef.parse import parse_job
from labq.jobdef.plan import build_plan
from labq.jobdef.plan_timeouts import scale_plan
from labq.jobdef.spec import JobSpec
from labq.jobdef.templates import InvalidDeviceError
from labq.plans import digest, dump_plan
from labq.services.artifacts import make_token
from labq.services.scheduling import BadDevice, Planned, Proposal, Unplannable

LOOK_SECONDS = 10.0
"""How soon a changed template of the site counts."""
MOST_DEVICES = 2000
log = logging.getLogger(__name__)


class Planner:
    """Plans proposals; a dictionary is rendered once, until a template of the site changes."""

    def __init__(
        self, templates: Sequence[Path], timeout_scales: Scales, secret_key: str = ""
    ) -> None:
        self._secret_key = secret_key
        self._templates = tuple(templates)
        self._timeout_scales = timeout_scales
        self._devices: dict[str, DeviceSpec] = {}
        self._files = _look(self._templates)
        self._look_again = Deadline.after(LOOK_SECONDS)

    def plan(
        self, proposals: Sequence[Proposal]
    ) -> tuple[list[Planned], list[Unplannable | BadDevice]]:
        """Return the plans that could be built, and why the others could not."""
        planned: list[Planned] = []
        refused: list[Unplannable | BadDevice] = []
        for proposal in proposals:
            one = self._plan_one(proposal)
            if isinstance(one, Planned):
                planned.append(one)
            else:
                refused.append(one)
        return planned, refused

    def _plan_one(self, proposal: Proposal) -> Planned | Unplannable | BadDevice:
        try:
            return self._build(proposal)
        except InvalidDeviceError as error:
            return BadDevice(proposal.device, str(error))
        except LabqError as error:
            return Unplannable(proposal.job, error.failure())
        except Exception as error:
            log.exception("job %d cannot be planned for %s", proposal.job, proposal.device)
            message = f"planning failed: {type(error).__name__}: {error}"
            return Unplannable(proposal.job, Failure(type=ErrorType.BUG, message=message))

    def _build(self, proposal: Proposal) -> Planned:
        spec = _parsed(proposal.definition)
        built = build_plan(
            spec,
            self._device(proposal, spec),
            run=proposal.run,
            job=proposal.job,
            host=proposal.host,
            host_address=proposal.host_address,
        )
        built = scale_plan(built, proposal.timeout_scales, self._timeout_scales)
        built = replace(built, upload=self._upload(proposal))
        text = dump_plan(built)
        return Planned(proposal=proposal, plan=built, text=text, digest=digest(text))

    def _upload(self, proposal: Proposal) -> Upload | None:
        """Return how the run's files are sent; None on a server without a secret key."""
        if not self._secret_key:
            return None
        token = make_token(self._secret_key, proposal.run)
        return Upload(token=token, consoles=proposal.keeps_console)

    def _device(self, proposal: Proposal, spec: JobSpec) -> DeviceSpec:
        self._forget_changed()
        name, device_type = proposal.device, proposal.device_type
        key = json.dumps([name, device_type, proposal.template, dict(spec.context)])
        if key not in self._devices:
            dictionary = render_device(
                proposal.template,
                name=name,
                device_type=device_type,
                context=spec.context,
                search_path=self._templates,
            )
            self._devices[key] = read_device(dictionary, name=name, device_type=device_type)
        return self._devices[key]

    def _forget_changed(self) -> None:
        if self._look_again.is_over():
            files, self._files = self._files, _look(self._templates)
            self._look_again = Deadline.after(LOOK_SECONDS)
            if files != self._files:
                self._devices.clear()
        if len(self._devices) >= MOST_DEVICES:
            self._devices.clear()


def _look(folders: Sequence[Path]) -> frozenset[tuple[str, int, int]]:
    """Return what tells the site's templates of now from changed ones."""
    found: set[tuple[str, int, int]] = set()
    for folder in folders:
        for path in folder.rglob("*.jinja2"):
            with suppress(FileNotFoundError):
                state = path.stat()
                found.add((str(path), state.st_mtime_ns, state.st_size))
    return frozenset(found)


@lru_cache(maxsize=64)
def _parsed(definition: str) -> JobSpec:
    """Return the parsed definition; the same text is often submitted many times in a row."""
    return parse_job(definition)
