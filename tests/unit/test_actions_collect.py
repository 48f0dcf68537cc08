"""The last step keeps raw consoles only where that was asked for and gives no secret away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labq.actions import collect
from labq.actions.parameters import Parameters
from labq.domain.plan import PowerSpec, StepKind, Upload
from labq.domain.verdicts import Level
from labq.hw.fake import FakeSession
from tests.unit.plans import plan, step

ASKED = Upload(token="t", consoles=True)


def collected(upload: Upload | None, *masks: str) -> FakeSession:
    """Run the step and return its session."""
    made = step("collect", {"method": "collect"}, kind=StepKind.COLLECT)
    whole = plan([made], {}, consoles=(), power=PowerSpec(kind="none"))
    session = FakeSession(replace(whole, upload=upload, masks=masks), made)
    collect.run(session, Parameters())
    return session


@pytest.mark.parametrize(("upload", "kept"), [(None, 0), (Upload(token="t"), 0), (ASKED, 1)])
def test_consoles_are_kept_when_the_job_asks(upload: Upload | None, kept: int) -> None:
    assert collected(upload).kept_consoles == kept


def test_consoles_of_a_job_with_secrets_are_not_kept() -> None:
    session = collected(ASKED, "s3cret")
    assert session.kept_consoles == 0
    assert any(level is Level.WARNING and "secrets" in text for level, text in session.lines)
