"""`/hosts/NAME`: one host: how its jobs ended, and the latest of them."""

from __future__ import annotations

from labq.services import counts, host_view, job_list
from labq.services.counts import Finished, Subject
from labq.services.database import unless_slow
from labq.services.job_list import JobFilter, JobRow
from labq.web.endpoint import Call, Page
from labq.web.rendering import render


def host(call: Call, name: str) -> str:
    """Show a host's jobs."""
    found = host_view.find(call.session, call.viewer, name)
    return render(
        call,
        "host.html",
        host=found,
        finished=unless_slow(lambda: _finished(call, name)),
        jobs=unless_slow(lambda: _latest(call, name)),
    )


def _finished(call: Call, name: str) -> Finished:
    return call.attempt(lambda session: counts.find_finished(session, Subject.HOST, name))


def _latest(call: Call, name: str) -> tuple[JobRow, ...]:
    wanted = JobFilter(host=name)
    return call.attempt(lambda session: job_list.find_page(session, call.viewer, wanted).items)


PAGES = (Page(path="/hosts/<name>", run=host, may_lag=True),)
