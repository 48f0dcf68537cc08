"""`/submit`: a definition becomes a job; what is wrong with it is shown by line."""

from __future__ import annotations

from flask import Response

from labq.domain.errors import InvalidInputError, Problem
from labq.services import job_texts, jobs
from labq.services.jobs import SubmitOptions
from labq.web.endpoint import HTML, Call, Level, Page
from labq.web.parsing import Id, Input, Text
from labq.web.rendering import render

FIRST_JOB = """\
job_name: my first job
device_type: qemu
visibility: public
timeouts:
  job: {minutes: 5}
actions:
- deploy:
    to: tmpfs
    images:
      kernel:
        url: http://example.org/kernel
        image_arg: -kernel {kernel} -append "console=ttyS0"
      ramdisk:
        url: http://example.org/ramdisk.cpio.gz
        image_arg: -initrd {ramdisk}
- boot:
    method: qemu
    prompts: ["# "]
- test:
    definitions:
    - from: inline
      name: smoke
      path: inline/smoke.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        run:
          steps:
          - lava-test-case it-runs --shell uname -a
"""


class SubmitQuery(Input):
    """The job to begin with, for "edit and resubmit"."""

    job: Id | None = None


class SubmitForm(Input):
    """The definition; `check` only checks it."""

    definition: Text
    job: Id | None = None
    check: bool = False


def form(call: Call, query: SubmitQuery) -> str:
    """Show the form: with the definition of a job, or an example."""
    text = FIRST_JOB
    if query.job is not None:
        text = job_texts.find_definition(call.session, call.viewer, query.job)
    return _page(call, text, query.job)


def submit(call: Call, form: SubmitForm) -> str | Response:
    """Submit, or show what is wrong."""
    text = form.definition.replace("\r\n", "\n")
    try:
        if form.check:
            jobs.validate(call.session, text, call.viewer)
            return _page(call, text, form.job, is_good=True)
        options = SubmitOptions(resubmit_of=form.job)
        made = jobs.submit(call.session, text, user=call.viewer, now=call.now, options=options)
    except InvalidInputError as error:
        page = _page(call, text, form.job, problems=error.problems)
        return Response(page, 400, content_type=f"{HTML}; charset=utf-8")
    return Response(status=303, headers={"Location": f"/jobs/{made}"})


def _page(
    call: Call,
    text: str,
    job: int | None,
    *,
    problems: list[Problem] | None = None,
    is_good: bool = False,
) -> str:
    lines = text.splitlines()
    found = [(problem, _line(lines, problem.line)) for problem in problems or []]
    return render(call, "submit.html", definition=text, job_id=job, problems=found, is_good=is_good)


def _line(lines: list[str], number: int | None) -> str:
    return lines[number - 1][:200] if number and number <= len(lines) else ""


PAGES = (
    Page(path="/submit", run=form, level=Level.USER, query=SubmitQuery),
    Page(path="/submit", run=submit, method="POST", level=Level.USER, form=SubmitForm),
)
