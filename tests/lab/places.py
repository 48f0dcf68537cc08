"""Addresses in a filled database that have something to show: a job, a device, a page key."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import psycopg2

from labq.services.paging import encode_key
from tests.lab.filled import Filled

_QUERIES = {
    "device": "SELECT name FROM device ORDER BY id LIMIT 1",
    "type": "SELECT device_type FROM device ORDER BY id LIMIT 1",
    "host": "SELECT host FROM device ORDER BY id LIMIT 1",
    "submitter": (
        'SELECT "user".name FROM job JOIN "user" ON "user".id = submitter_id'
        " WHERE audience_id = 0 GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    ),
    "job": (
        "SELECT job.id FROM job JOIN run_plan ON run_plan.run_id = job.run_id"
        " WHERE audience_id = 0 AND outcome = 'complete' ORDER BY job.id DESC LIMIT 1"
    ),
    "queue": (
        "SELECT device_type FROM job WHERE state = 'submitted'"
        " GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    ),
    "label": (
        "SELECT name || ':' || value FROM (SELECT name, value FROM job_label WHERE name <> 'tag'"
        " ORDER BY job_id DESC LIMIT 20000) AS newest"
        " GROUP BY name, value ORDER BY count(*) DESC, 1 LIMIT 1"
    ),
    "case": (
        "SELECT name FROM (SELECT name FROM test_case ORDER BY submitted_on DESC, id DESC LIMIT 5000)"
        " AS newest GROUP BY name ORDER BY count(*) DESC, name LIMIT 1"
    ),
}


def find(data: Filled) -> Mapping[str, str]:
    """Return what to put into addresses: names and ids by what they are of.

    `deep` is the key of a page in the middle of all jobs, `log_job` the job with the longest log.
    """
    connection = psycopg2.connect(data.url)
    try:
        with connection, connection.cursor() as cursor:
            found = {}
            for name, query in _QUERIES.items():
                cursor.execute(query)
                ((value,),) = cursor.fetchall()
                found[name] = quote(str(value), safe=":")
    finally:
        connection.close()
    middle = (data.facts["first_job"] + data.facts["last_job"]) // 2
    return {**found, "deep": encode_key(middle), "log_job": str(data.facts["long_log_job"])}
