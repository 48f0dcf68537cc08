"""`/jobs/N`: one job: its error, its steps with waits, its log that follows."""

from __future__ import annotations

from pydantic import Field

from labq.blobs import Logs
from labq.domain.states import JobState
from labq.services import job_view
from labq.services.job_log import find_log_state
from labq.services.paging import LARGEST_ID
from labq.web.endpoint import Call, Page
from labq.web.log_window import window
from labq.web.parsing import Input
from labq.web.rendering import render
from labq.web.timeline import timeline


class LogQuery(Input):
    """Which line of the log to show (0-based); the end of the log by default."""

    line: int | None = Field(default=None, ge=0, le=LARGEST_ID)


def job(call: Call, job_id: int, query: LogQuery) -> str:
    """Show the job with a piece of its log."""
    found = job_view.find(call.session, call.viewer, job_id)
    state = find_log_state(call.session, call.viewer, job_id, now=call.now)
    piece = window(Logs(call.settings.blobs), state, query.line)
    return render(
        call,
        "job.html",
        job=found,
        tab="log",
        bars=timeline(found, call.now),
        piece=piece,
        line_wanted=query.line,
        is_live=piece.is_last and not state.is_complete,
        is_over=found.state is JobState.FINISHED,
    )


def progress(call: Call, job_id: int) -> str:
    """Show what changes while the job runs, for the script of the job's page."""
    found = job_view.find(call.session, call.viewer, job_id)
    return render(
        call,
        "job_progress.html",
        job=found,
        bars=timeline(found, call.now),
        is_over=found.state is JobState.FINISHED,
    )


PAGES = (
    Page(path="/jobs/<id:job_id>", run=job, query=LogQuery),
    Page(path="/jobs/<id:job_id>/progress", run=progress),
)
