"""The end points that are asked for most, and what a request to each may cost on the small data set.

The bounds are what was found and a third more, for pages of tables lie a little differently each time
the data is made. Whoever makes a request dearer changes its row here, and says why in docs/gains.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.request_cost import Cost

STRANGER, USER, ADMIN = "", "fill-user", "fill-admin"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: who asks for what, and the most that it may cost (`tests.lab.places` has the names)."""

    name: str
    path: str
    who: str
    most: Cost


ASKED = (
    Asked("jobs", "/api/v1/jobs", STRANGER, Cost(2, 400, 50, 12_500)),
    Asked("jobs of a user", "/api/v1/jobs", USER, Cost(3, 500, 120, 12_500)),
    Asked("jobs of an admin", "/api/v1/jobs", ADMIN, Cost(3, 460, 60, 12_300)),
    Asked("jobs by type", "/api/v1/jobs?device_type={type}", USER, Cost(3, 500, 115, 13_000)),
    Asked("jobs by outcome", "/api/v1/jobs?outcome=incomplete", USER, Cost(3, 480, 115, 13_300)),
    Asked("jobs by state", "/api/v1/jobs?state=submitted", USER, Cost(3, 310, 55, 8_800)),
    Asked(
        "jobs by submitter", "/api/v1/jobs?submitter={submitter}", USER, Cost(3, 490, 110, 12_900)
    ),
    Asked("own jobs", "/api/v1/jobs?submitter=me", USER, Cost(3, 450, 65, 8_800)),
    Asked("jobs by device", "/api/v1/jobs?device={device}", USER, Cost(3, 490, 125, 13_100)),
    Asked("jobs by metadata", "/api/v1/jobs?q={label}", USER, Cost(3, 650, 170, 12_600)),
    Asked(
        "jobs deep down",
        "/api/v1/jobs?since=2000-01-01&after={deep}",
        USER,
        Cost(3, 500, 120, 12_900),
    ),
    Asked("jobs counted", "/api/v1/jobs/count", USER, Cost(3, 1_440, 215, 100)),
    Asked("job", "/api/v1/jobs/{job}", USER, Cost(6, 230, 70, 4_000)),
    Asked("job's definition", "/api/v1/jobs/{job}/definition", USER, Cost(3, 90, 35, 6_000)),
    Asked("job's plan", "/api/v1/jobs/{job}/plan", USER, Cost(3, 90, 35, 34_200)),
    Asked(
        "job's log",
        "/api/v1/jobs/{log_job}/log?format=lines&end=1000",
        USER,
        Cost(3, 90, 40, 178_700),
    ),
    Asked("job's results", "/api/v1/jobs/{job}/results", USER, Cost(6, 100, 50, 4_500)),
    Asked("job's artifacts", "/api/v1/jobs/{job}/artifacts", USER, Cost(3, 80, 25, 200)),
    Asked("failed cases", "/api/v1/cases?result=fail", USER, Cost(2, 300, 270, 7_200)),
    Asked("cases by name", "/api/v1/cases?name={case}", USER, Cost(2, 320, 295, 7_200)),
    Asked("devices", "/api/v1/devices", USER, Cost(2, 250, 120, 16_000)),
    Asked("device", "/api/v1/devices/{device}", USER, Cost(6, 730, 250, 11_700)),
    Asked("device types", "/api/v1/device-types", USER, Cost(2, 600, 200, 3_700)),
    Asked("hosts", "/api/v1/hosts", USER, Cost(4, 345, 75, 3_900)),
    Asked("queue", "/api/v1/queue", USER, Cost(3, 190, 50, 1_500)),
    Asked("queue of a type", "/api/v1/queue/{queue}", USER, Cost(4, 260, 115, 6_200)),
    Asked("system", "/api/v1/system", USER, Cost(2, 80, 15, 200)),
    Asked("version", "/api/v1/system/version", STRANGER, Cost(0, 10, 5, 200)),
    Asked("LAVA's jobs", "/api/v0.2/jobs/", STRANGER, Cost(3, 4_680, 420, 603_600)),
    Asked("LAVA's jobs of a user", "/api/v0.2/jobs/", USER, Cost(5, 4_930, 515, 605_800)),
    Asked("LAVA's jobs of an admin", "/api/v0.2/jobs/", ADMIN, Cost(4, 4_740, 430, 616_100)),
    Asked(
        "LAVA's queue of a type",
        "/api/v0.2/jobs/?state=Submitted&requested_device_type={queue}",
        USER,
        Cost(4, 1_420, 170, 162_000),
    ),
    Asked(
        "LAVA's jobs by health",
        "/api/v0.2/jobs/?health=Incomplete",
        USER,
        Cost(5, 4_920, 560, 615_600),
    ),
    Asked(
        "LAVA's jobs by submitter",
        "/api/v0.2/jobs/?submitter__username={submitter}",
        USER,
        Cost(6, 5_660, 500, 613_000),
    ),
    Asked(
        "LAVA's oldest jobs",
        "/api/v0.2/jobs/?ordering=id&state=Finished&offset=500",
        USER,
        Cost(5, 5_600, 605, 587_000),
    ),
    Asked("LAVA's job", "/api/v0.2/jobs/{job}/", USER, Cost(2, 170, 20, 13_300)),
    Asked("LAVA's suites", "/api/v0.2/jobs/{job}/suites/", USER, Cost(6, 90, 35, 500)),
    Asked("LAVA's tests", "/api/v0.2/jobs/{job}/tests/", USER, Cost(5, 100, 30, 4_900)),
    Asked(
        "LAVA's log",
        "/api/v0.2/jobs/{log_job}/logs/?start=0&end=1000",
        USER,
        Cost(2, 80, 20, 181_700),
    ),
    Asked(
        "LAVA's devices", "/api/v0.2/devices/?ordering=hostname", USER, Cost(3, 530, 265, 18_400)
    ),
    Asked("LAVA's device types", "/api/v0.2/devicetypes/", USER, Cost(3, 110, 50, 4_500)),
    Asked("LAVA's workers", "/api/v0.2/workers/", USER, Cost(3, 90, 10, 1_600)),
    Asked("LAVA's tags", "/api/v0.2/tags/", USER, Cost(3, 100, 15, 600)),
    Asked("overview page", "/", USER, Cost(33, 1_930, 410, 41_100)),
    Asked("jobs page", "/jobs", USER, Cost(12, 510, 100, 40_300)),
    Asked("job page", "/jobs/{log_job}", USER, Cost(12, 250, 75, 70_600)),
    Asked("job page's progress", "/jobs/{job}/progress", USER, Cost(5, 230, 55, 8_500)),
    Asked("job's results page", "/jobs/{job}/results", USER, Cost(14, 270, 80, 14_100)),
    Asked("devices page", "/devices", USER, Cost(8, 280, 150, 61_100)),
    Asked("device page", "/devices/{device}", USER, Cost(26, 760, 305, 31_000)),
    Asked("device type page", "/device-types/{type}", USER, Cost(23, 690, 175, 24_700)),
    Asked("hosts page", "/hosts", USER, Cost(10, 365, 80, 9_500)),
    Asked("host page", "/hosts/{host}", USER, Cost(19, 630, 125, 35_400)),
    Asked("queue page", "/queue", USER, Cost(18, 380, 135, 23_000)),
    Asked("results page", "/results", USER, Cost(11, 1_510, 2_850, 28_900)),
)
