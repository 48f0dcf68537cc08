"""Groups of jobs: how they are stored, what ends all of them, and what members tell each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from labq.domain.events import MessageSent
from labq.domain.matching import Want, can_run
from labq.domain.orders import GroupMail, GroupOrder
from labq.domain.states import JobState, Outcome, RunState
from labq.jobdef.multinode import Member
from labq.jobdef.spec import JobSpec
from labq.models.device import Device
from labq.models.job import Job
from labq.models.job_group import GroupMember, GroupMessage, JobGroup
from labq.models.run import Run
from labq.services import available_devices, job_ids, transitions
from labq.services.open_runs import OpenRun
from labq.services.transitions import Work
from labq.services.visibility import Viewer

MOST_MESSAGES = 10_000
"""Of one group: what comes after that is refused."""
MOST_DOOMED = 20
MAIL = "orders to members of groups, to be sent after the commit"
LOCKED = "groups that this transaction has locked"
HOSTS = "hosts with runs of groups, as this transaction has found them"
BEGUN = "begun"
Store = Callable[[JobSpec, str], Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """A member as others see it: its id as clients write it, its role, and what became of it."""

    job: int
    id: str
    role: str
    state: JobState
    outcome: Outcome | None
    device: str | None
    run_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group as others see it: the id of its first job, its name, and its members in order."""

    id: int
    name: str
    members: tuple[MemberView, ...]


def check(session: Session, user: Viewer, members: Sequence[Member]) -> None:
    """Raise InvalidInputError when there could never be a device for each member, all at once."""
    wants: list[Want] = []
    problems: list[Problem] = []
    roles = {member.role: member for member in members if not member.is_guest}
    for role, member in roles.items():
        want = want_of(member.spec)
        count = sum(one.role == role for one in members)
        wants += [want] * count
        if reason := available_devices.find_problem(session, user, want, count):
            problems.append(Problem(f"protocols.lava-multinode.roles.{role}", reason))
    if not problems and not can_run(wants, available_devices.find(session, user, wants)):
        message = "Not enough devices: each role has enough for itself, all roles together have not"
        problems.append(Problem("protocols.lava-multinode.roles", message))
    if problems:
        raise InvalidInputError(problems)


def want_of(spec: JobSpec) -> Want:
    """Return what a definition asks of a device."""
    return Want(
        device_type=spec.device_type,
        tags=frozenset(spec.tags),
        device=spec.device,
        host=spec.worker,
    )


def store(session: Session, members: Sequence[Member], *, name: str, text: str, make: Store) -> int:
    """Store a job for each member by `make`, and what they are; return the first one's id.

    A guest is listed under the device type of its host.
    """
    types = {member.role: member.spec.device_type for member in members}
    first: Job | None = None
    for member in members:
        kind = types[member.host_role or member.role]
        job = make(replace(member.spec, device_type=kind), member.text)
        first = first or job
        job.group_id, job.sub_id = first.id, member.sub_id
        if job is first:
            session.add(JobGroup(id=first.id, name=name, definition=text))
        session.add(
            GroupMember(
                job_id=job.id,
                group_id=first.id,
                role=member.role,
                is_essential=member.is_essential,
                host_role=member.host_role,
                start_role=member.start_role,
            )
        )
    if first is None:
        raise ConflictError("a group needs a member")
    return first.id


def with_members(session: Session, jobs: Collection[int]) -> set[int]:
    """Return these jobs and all that are in a group with one of them."""
    groups = select(Job.group_id).where(Job.id.in_(jobs), Job.group_id.is_not(None))
    return {*jobs, *session.scalars(select(Job.id).where(Job.group_id.in_(groups)))}


def find_definition(session: Session, job_id: int) -> str | None:
    """Return the definition that the group of a job was split from, None without a group."""
    query = select(JobGroup.definition).join(Job, Job.group_id == JobGroup.id)
    return session.scalar(query.where(Job.id == job_id))


def find_members(session: Session, group_id: int) -> list[MemberView]:
    """Return the members of a group in their order."""
    query = (
        select(Job, GroupMember.role)
        .join(GroupMember, GroupMember.job_id == Job.id)
        .where(Job.group_id == group_id)
        .order_by(Job.sub_id)
    )
    found = session.execute(query).all()
    devices = _device_names(session, [job.device_id for job, _ in found if job.device_id])
    return [
        MemberView(
            job=job.id,
            id=str(job_ids.shown(job.id, job.group_id, job.sub_id)),
            role=role,
            state=job.state,
            outcome=job.outcome,
            device=devices.get(job.device_id or 0),
            run_id=job.run_id,
        )
        for job, role in found
    ]


def find_view(session: Session, group_id: int) -> GroupView:
    """Return a group with its members; whoever sees one of them sees all."""
    group = session.get(JobGroup, group_id)
    members = tuple(find_members(session, group_id))
    return GroupView(id=group_id, name=group.name if group else "", members=members)


def find_by_role(session: Session, job_id: int, role: str) -> int:
    """Return the job of the first member with a role in the group of a job; raises NotFoundError."""
    group_id = session.scalar(select(Job.group_id).where(Job.id == job_id))
    members = [] if group_id is None else find_members(session, group_id)
    found = next((member.job for member in members if member.role == role), None)
    if found is None:
        roles = ", ".join(dict.fromkeys(member.role for member in members)) or "none"
        raise NotFoundError(f"job {job_id} has no role {role!r} in its group; roles: {roles}")
    return found


def note_end(session: Session, job: Job, at: datetime) -> None:
    """Take in that a member has ended: an essential one that is not complete ends all others."""
    if job.group_id is None:
        return
    if job.outcome is not Outcome.COMPLETE and _is_essential(session, job):
        shown, why = job_ids.shown(job.id, job.group_id, job.sub_id), job.error_message
        ended = job.outcome.value if job.outcome else ""
        doom(session, job.group_id, f"job {shown}, which is essential, ended {ended}: {why}")
    note_begun(session, job.group_id, at)


def doom(session: Session, group_id: int, reason: str) -> None:
    """Have all jobs of a group canceled that have not ended; the first reason counts."""
    session.execute(
        update(JobGroup)
        .where(JobGroup.id == group_id, JobGroup.doomed.is_(None))
        .values(doomed=reason)
        .execution_options(synchronize_session=False)
    )
    transitions.tell(session, work=[Work.CANCELING])


def find_doomed(session: Session) -> list[JobGroup]:
    """Return groups whose jobs are to be canceled, locked."""
    query = select(JobGroup).where(JobGroup.doomed.is_not(None)).order_by(JobGroup.id)
    return list(session.scalars(query.limit(MOST_DOOMED).with_for_update(skip_locked=True)))


def note_begun(session: Session, group_id: int, at: datetime) -> None:
    """Tell all members once each of them has begun, or ended."""
    group = _lock(session, group_id)
    if group is None or group.begun_at is not None:
        return
    session.flush()
    early = (JobState.SUBMITTED, JobState.SCHEDULED)
    if session.scalar(select(exists().where(Job.group_id == group_id, Job.state.in_(early)))):
        return
    group.begun_at = at
    _say(session, group, GroupMessage(kind=BEGUN, name="", data={}), None)


def take(session: Session, known: OpenRun, event: MessageSent) -> None:
    """Store a message of a member, and have it brought to all of them.

    Raises ConflictError for one of a job without a group, or one too many.
    """
    job = known.job
    if known.run.state is RunState.ENDED or event.epoch < known.run.epoch:
        return
    group = None if job.group_id is None else _lock(session, job.group_id)
    if group is None:
        raise ConflictError(f"job {job.id} is in no group")
    if group.messages >= MOST_MESSAGES:
        raise ConflictError(f"the group of job {job.id} has {MOST_MESSAGES} messages already")
    message = GroupMessage(kind=event.sort, name=event.name, sender=job.id, data=dict(event.data))
    _say(session, group, message, job.sub_id)


def find_mail(session: Session, group_id: int, after: int) -> GroupOrder:
    """Return the messages of a group with a number above `after`."""
    query = (
        select(GroupMessage, Job.sub_id)
        .outerjoin(Job, Job.id == GroupMessage.sender)
        .where(GroupMessage.group_id == group_id, GroupMessage.number > after)
        .order_by(GroupMessage.number)
        .limit(MOST_MESSAGES)
    )
    found = session.execute(query).all()
    mail = tuple(_mail(message, group_id, sub_id) for message, sub_id in found)
    return GroupOrder(group=group_id, messages=mail)


def find_lengths(session: Session, runs: Collection[int]) -> Mapping[int, tuple[int, int]]:
    """Return the group and the number of its last message for those of the runs that are in one."""
    query = (
        select(Run.id, JobGroup.id, JobGroup.messages)
        .join(Job, Job.id == Run.job_id)
        .join(JobGroup, JobGroup.id == Job.group_id)
        .where(Run.id.in_(runs))
    )
    return {run: (group, length) for run, group, length in session.execute(query)}


def _say(session: Session, group: JobGroup, message: GroupMessage, sub_id: int | None) -> None:
    """Number a message and keep it, with the order that brings it to the hosts of all members."""
    group.messages += 1
    message.group_id, message.number = group.id, group.messages
    session.add(message)
    order = GroupOrder(group=group.id, messages=(_mail(message, group.id, sub_id),))
    session.info.setdefault(MAIL, []).extend((host, order) for host in _hosts(session, group.id))


def _mail(message: GroupMessage, group_id: int, sub_id: int | None) -> GroupMail:
    return GroupMail(
        number=message.number,
        sort=message.kind,
        name=message.name,
        sender="" if sub_id is None else f"{group_id}.{sub_id}",
        data={str(key): str(value) for key, value in (message.data or {}).items()},
    )


def _hosts(session: Session, group_id: int) -> list[str]:
    """Return the hosts with runs of a group, looked up once in a transaction."""
    known: dict[int, list[str]] = session.info.setdefault(HOSTS, {})
    if group_id in known:
        return known[group_id]
    query = (
        select(Run.host)
        .join(Job, Job.id == Run.job_id)
        .where(Job.group_id == group_id, Run.state != RunState.ENDED)
        .distinct()
    )
    known[group_id] = list(session.scalars(query))
    return known[group_id]


def lock_all(session: Session, groups: Collection[int]) -> None:
    """Lock groups, in one order for everybody, before several of them are changed."""
    if groups:
        query = select(JobGroup).where(JobGroup.id.in_(groups)).order_by(JobGroup.id)
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
        found = {group.id: group for group in session.scalars(query)}
        session.info.setdefault(LOCKED, {}).update(found)


def _lock(session: Session, group_id: int) -> JobGroup | None:
    """Return a group, locked; once in a transaction, as what it changes is not written at once."""
    if group_id not in session.info.get(LOCKED, {}):
        lock_all(session, [group_id])
    locked: dict[int, JobGroup] = session.info.get(LOCKED, {})
    return locked.get(group_id)


def _is_essential(session: Session, job: Job) -> bool:
    query = select(GroupMember.is_essential).where(GroupMember.job_id == job.id)
    return session.scalar(query) is True


def _device_names(session: Session, devices: Collection[int]) -> dict[int, str]:
    if not devices:
        return {}
    query = select(Device.id, Device.name).where(Device.id.in_(devices))
    return {row.id: row.name for row in session.execute(query)}
