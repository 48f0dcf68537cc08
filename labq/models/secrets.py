"""Which columns can hold a secret, and what becomes of each when a copy is made for other eyes.

Every column of text, JSON or bytes is decided on here: a test fails until a new one is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import ARRAY, JSON, LargeBinary, String
from sqlalchemy import Enum as EnumType
from sqlalchemy.sql.type_api import TypeEngine


class Treatment(Enum):
    """What is done to a table or column that is not just replaced."""

    EMPTIED = "the table is emptied"
    KEPT = "it holds no secret"
    REDACTED = "a job definition: tokens, secrets and addresses in it are replaced"


@dataclass(frozen=True, slots=True)
class Replaced:
    """Every value of the column becomes what this expression of SQL gives."""

    expression: str


EMPTIED, KEPT, REDACTED = Treatment.EMPTIED, Treatment.KEPT, Treatment.REDACTED
EMPTY, NOTHING = Replaced("''"), Replaced("NULL")
# Commands and addresses of a board, with their passwords, stand after the line that names its type.
TYPE_ALONE = Replaced(r"coalesce(substring(template FROM '\{%-?\s*extends[^%]*%\}'), '')")
Columns = Mapping[str, Treatment | Replaced]
NAMED: Columns = {"name": KEPT}

SECRETS: Mapping[str, Treatment | Columns] = {
    "alarm": dict.fromkeys(("subject", "name", "text"), KEPT),
    "archive_bundle": {"name": KEPT, "sha256": KEPT},
    "archived_job": {"name": KEPT, "device_type": KEPT},
    # Consoles are among artifacts as they were, with what the log masks.
    "artifact": EMPTIED,
    "audience": {"groups": KEPT, "any_of": KEPT},
    "audience_count": {"device_type": KEPT, "outcome": KEPT},
    "audit": dict.fromkeys(("actor", "subject", "subject_id", "before", "after", "reason"), KEPT),
    "backfill": dict.fromkeys(("name", "rests", "error"), KEPT),
    "block_count": {"outcome": KEPT},
    "compatibility": {"oldest": KEPT},
    "count_delta": dict.fromkeys(("device_type", "host", "device", "outcome", "error_type"), KEPT),
    "day_count": dict.fromkeys(("device_type", "host", "outcome", "error_type"), KEPT),
    # Addresses, headers and tokens of callbacks; none of them may be sent by a copy.
    "delivery": EMPTIED,
    "device": {
        **dict.fromkeys(
            (
                *("name", "device_type", "host", "next_host", "description", "tags", "exclusive"),
                *("submitters", "device_version"),
            ),
            KEPT,
        ),
        "template": TYPE_ALONE,
        "health_reason": KEPT,
    },
    # Text of an admin, who may have written an address with its password into it.
    "device_template": {"name": KEPT, "template": EMPTY},
    "device_type": {
        **dict.fromkeys(
            ("name", "description", "architecture", "processor", "cpu_model", "cores"), KEPT
        ),
        "health_check": REDACTED,
    },
    "device_type_alias": {"name": KEPT, "device_type": KEPT},
    "device_type_right": {"device_type": KEPT},
    "doomed_blob": {"digest": KEPT},
    "doomed_month": {"table_name": KEPT},
    # Codes, credentials and passwords of hosts.
    "enrolment": EMPTIED,
    "group": NAMED,
    "group_member": dict.fromkeys(("role", "host_role", "start_role"), KEPT),
    # Whatever tests told each other.
    "group_message": {"kind": KEPT, "name": KEPT, "data": Replaced("'{}'")},
    "host": {
        **dict.fromkeys(
            (
                "name",
                "address",
                "description",
                "up_id",
                "version",
                "slots",
                "load",
                "config",
                "timeout_scales",
                "mismatch",
            ),
            KEPT,
        ),
        # Files of admins: variables may be passwords.
        **dict.fromkeys(("environment", "device_environment", "dispatcher_config"), NOTHING),
    },
    "job": dict.fromkeys(
        (
            *("name", "device_type", "wanted_device", "wanted_host", "tags", "error_message"),
            *("host", "failure_comment", "failure_tags"),
        ),
        KEPT,
    ),
    "job_count": dict.fromkeys(("subject", "name", "outcome"), KEPT),
    "job_definition": {"definition": REDACTED, "metadata": KEPT, "notify": NOTHING},
    "job_group": {"name": KEPT, "definition": REDACTED, "doomed": KEPT},
    "job_label": {"name": KEPT, "value": KEPT},
    "job_pin": {"pinned_by": KEPT, "reason": KEPT},
    "leader": EMPTIED,
    "login": EMPTIED,
    "page_hit": {"endpoint": KEPT},
    "queue_length": {"device_type": KEPT},
    "refusal": {"host": KEPT, "reason": EMPTY},
    # Whatever a host sent.
    "rejected_event": EMPTIED,
    "relation_size": dict.fromkeys(("name", "kind", "owner"), KEPT),
    # What users left with the server for other servers.
    "remote_token": EMPTIED,
    "reservation": {"resource": KEPT},
    "retention_policy": {"name": KEPT, "device_type": KEPT, "changed_by": KEPT},
    "retention_run": dict.fromkeys(("asked_by", "holder", "step", "error"), KEPT),
    "run": dict.fromkeys(("host", "sent", "sent_reason", "error_message"), KEPT),
    # Secrets of definitions, the token for uploads, commands of the device.
    "run_plan": EMPTIED,
    "step": dict.fromkeys(("name", "method", "error_message", "suspect"), KEPT),
    "tag": {"name": KEPT, "description": KEPT},
    "test_case": dict.fromkeys(("channel", "name", "units", "test_set", "details"), KEPT),
    "test_suite": NAMED,
    "token": EMPTIED,
    "upgrade": dict.fromkeys(("holder", "found", "target", "step", "error"), KEPT),
    "user": {
        "name": KEPT,
        **dict.fromkeys(("email", "first_name", "last_name"), EMPTY),
        "password_hash": NOTHING,
    },
}


def can_hold_secret(kind: TypeEngine[object]) -> bool:
    """Tell whether a column of this type has to be decided on: it has text, JSON or bytes."""
    if isinstance(kind, EnumType):
        return False
    return isinstance(kind, String | JSON | LargeBinary | ARRAY)
