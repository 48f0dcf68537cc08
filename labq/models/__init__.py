"""Tables, one noun a file. `TABLES` brings them all into the metadata."""

from labq.models.artifact import Artifact
from labq.models.audience import Audience, AudienceSubmitter
from labq.models.base import Base
from labq.models.control import Audit, Compatibility, Leader, Refusal, RejectedEvent
from labq.models.delivery import Alarm, Delivery
from labq.models.device import Device, DeviceType, Reservation
from labq.models.device_type import DeviceTemplate, DeviceTypeAlias
from labq.models.enrolment import Enrolment
from labq.models.host import Host
from labq.models.job import Job, JobDefinition, JobLabel
from labq.models.job_group import GroupMember, GroupMessage, JobGroup
from labq.models.ops import PageHit, RelationSize
from labq.models.result import TestCase, TestSuite
from labq.models.retention import (
    ArchiveBundle,
    ArchivedJob,
    ArchivedPart,
    DoomedBlob,
    DoomedMonth,
    JobPin,
    RetentionDay,
    RetentionPolicy,
    RetentionRun,
    RetentionState,
    RetentionTally,
)
from labq.models.rights import DeviceRight, DeviceTypeRight, RemoteToken
from labq.models.rollup import (
    AudienceCount,
    BlockCount,
    CountDelta,
    DayCount,
    JobCount,
    QueueLength,
)
from labq.models.run import Run, RunLog, RunPlan, Step
from labq.models.tag import Tag
from labq.models.upgrade import Backfill, Upgrade
from labq.models.user import Group, Login, Membership, Token, User

TABLES: tuple[type[Base], ...] = (
    User,
    Group,
    Membership,
    Token,
    RemoteToken,
    Login,
    Audience,
    AudienceSubmitter,
    DeviceType,
    DeviceTypeAlias,
    DeviceTemplate,
    DeviceTypeRight,
    Host,
    Enrolment,
    Tag,
    Device,
    DeviceRight,
    Job,
    JobDefinition,
    JobLabel,
    JobGroup,
    GroupMember,
    GroupMessage,
    Run,
    RunPlan,
    RunLog,
    Step,
    Artifact,
    Reservation,
    TestSuite,
    TestCase,
    Delivery,
    Alarm,
    QueueLength,
    JobCount,
    DayCount,
    AudienceCount,
    BlockCount,
    CountDelta,
    Leader,
    Compatibility,
    Audit,
    RejectedEvent,
    Refusal,
    Upgrade,
    Backfill,
    PageHit,
    RelationSize,
    RetentionPolicy,
    RetentionState,
    JobPin,
    RetentionDay,
    RetentionTally,
    RetentionRun,
    ArchiveBundle,
    ArchivedJob,
    ArchivedPart,
    DoomedBlob,
    DoomedMonth,
)
