"""system and the address of events: what clients ask before anything else."""

from __future__ import annotations

from labq.domain.errors import NotFoundError
from labq.services import job_brief, logins, master_config, users
from labq.web.endpoint import Call, Level
from labq.web.lava import words
from labq.web.lava.faults import bad_request, not_found
from labq.web.lava.method import JobId, Method, Text

API_VERSION = 2
MOST_JOBS = 1_000


def version(call: Call) -> str:
    """Return the version of LAVA that this server is like."""
    return words.VERSION


def api_version(call: Call) -> int:
    """Return the version of these methods."""
    return API_VERSION


def whoami(call: Call) -> str | None:
    """Return the name of the user, nil for a stranger."""
    return call.viewer.name or None


def config(call: Call) -> dict[str, object]:
    """Return how to follow the events of this server."""
    return dict(master_config.master_config(call.settings))


def event_socket(call: Call) -> str:
    """Return where events are published, with `*` for this server's name."""
    return master_config.event_socket(call.settings)


def may_view_jobs(
    call: Call, job_list: list[JobId], username: Text | None = None
) -> dict[str, bool]:
    """Return for each job whether one may see it; a superuser may ask for another user."""
    if len(job_list) > MOST_JOBS:
        raise bad_request(f"more than {MOST_JOBS} jobs at once")
    viewer = call.viewer
    if username and username != viewer.name:
        if not viewer.is_admin:
            raise bad_request(f"Permission denied for user '{viewer.name}' to query other users")
        try:
            viewer = logins.find_viewer(call.session, users.find(call.session, username).id)
        except NotFoundError as error:
            raise not_found("User", username) from error
    return job_brief.find_visible(call.session, viewer, job_list)


METHODS = (
    Method(name="system.version", run=version, returns="string"),
    Method(name="system.api_version", run=api_version, returns="int"),
    Method(name="system.whoami", run=whoami, returns="string"),
    Method(name="system.master_config", run=config, returns="struct"),
    Method(name="system.user_can_view_jobs", run=may_view_jobs, returns="struct", level=Level.USER),
    Method(name="scheduler.get_publisher_event_socket", run=event_socket, returns="string"),
)
