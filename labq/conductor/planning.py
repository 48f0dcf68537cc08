"""From a proposal to a plan: the definition parsed, the dictionary rendered, every step resolved."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from labq.domain.errors import ErrorType, Failure, LabqError
from labq.jobdef.device import read_device, render_device
from labq.jobdef.parse import parse_job
from labq.jobdef.plan import build_plan
from labq.jobdef.plan_json import digest, dump_plan
from labq.jobdef.spec import JobSpec
from labq.jobdef.templates import InvalidDeviceError
from labq.services.scheduling import BadDevice, Planned, Proposal, Unplannable

log = logging.getLogger(__name__)


def plan(
    proposals: Sequence[Proposal], templates: tuple[Path, ...]
) -> tuple[list[Planned], list[Unplannable | BadDevice]]:
    """Return the plans that could be built, and why the others could not."""
    planned: list[Planned] = []
    refused: list[Unplannable | BadDevice] = []
    for proposal in proposals:
        one = _plan_one(proposal, templates)
        if isinstance(one, Planned):
            planned.append(one)
        else:
            refused.append(one)
    return planned, refused


def _plan_one(proposal: Proposal, templates: tuple[Path, ...]) -> Planned | Unplannable | BadDevice:
    try:
        return _build(proposal, templates)
    except InvalidDeviceError as error:
        return BadDevice(proposal.device, str(error))
    except LabqError as error:
        return Unplannable(proposal.job, error.failure())
    except Exception as error:
        log.exception("job %d cannot be planned for %s", proposal.job, proposal.device)
        message = f"planning failed: {type(error).__name__}: {error}"
        return Unplannable(proposal.job, Failure(type=ErrorType.BUG, message=message))


def _build(proposal: Proposal, templates: tuple[Path, ...]) -> Planned:
    spec = _parsed(proposal.definition)
    dictionary = render_device(
        proposal.template,
        name=proposal.device,
        device_type=proposal.device_type,
        context=spec.context,
        search_path=templates,
    )
    device = read_device(dictionary, name=proposal.device, device_type=proposal.device_type)
    built = build_plan(
        spec,
        device,
        run=proposal.run,
        job=proposal.job,
        host=proposal.host,
        host_address=proposal.host_address,
    )
    text = dump_plan(built)
    return Planned(proposal=proposal, plan=built, text=text, digest=digest(text))


@lru_cache(maxsize=64)
def _parsed(definition: str) -> JobSpec:
    """Return the parsed definition; the same text is often submitted many times in a row."""
    return parse_job(definition)
