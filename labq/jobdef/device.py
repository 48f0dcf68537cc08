"""Device text and a job's context -> device dictionary -> DeviceSpec."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from labq.domain.errors import InvalidInputError, JobError, Problem
from labq.domain.plan import ConsoleSpec, PowerSpec
from labq.jobdef import device_schema, durations, source, templates
from labq.jobdef.parse import to_json
from labq.jobdef.source import Document, describe_path
from labq.jobdef.templates import ENDING, InvalidDeviceError, Library

Dictionary = Mapping[str, object]

DEFAULT_CHANNEL = "console"
METHOD_KEYS: Mapping[str, tuple[str, ...]] = {
    "download": (),
    "downloads": (),
    "iso-installer": ("image", "iso-installer"),
    "tmpfs": ("image", "tmpfs"),
}
"""Keys of a dictionary that allow a deploy method, where they are not its name; (): no key needed."""
BOOT_KEYS: Mapping[str, tuple[str, ...]] = {"kexec": (), "monitor": ("qemu",), "recovery": ()}
"""The same for boot methods: the commands of `recovery` stand below the deploy methods, `kexec` needs
a running system only."""

_URL = re.compile(r"(serial|rfc2217|socket|unix|loop|hwgrep|alt|spy)://|/dev/\S+$")
_EXTENDS = re.compile(r"""\{%-?\s*extends\s+['"]([^'"]+)['"]""")
CONNECTING_STARTS = "connecting_starts"
"""A key of a dictionary: its connect command is the device itself, and starts with each connection."""
_STARTED = frozenset({"qemu", "docker", "fvp"})
"""Boot methods that start the device as a process, where it has no console of its own."""
NEEDS_POWER = "console_needs_power"
"""A key of a dictionary, and a tag of a connection: the serial port is there only with power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """A device dictionary, read. `timeouts` and `connection_timeouts` are seconds by action name.

    `exclusive` names shared resources that a run on this device also holds. `host_address` is the
    lab host's address as this device sees it, empty where it is the host's own. The methods map
    names to what the dictionary says of them.
    """

    name: str
    device_type: str
    consoles: tuple[ConsoleSpec, ...]
    power: PowerSpec
    deploy_methods: Mapping[str, Mapping[str, object]]
    boot_methods: Mapping[str, Mapping[str, object]]
    constants: Mapping[str, object]
    character_delays: Mapping[str, object]
    parameters: Mapping[str, object]
    timeouts: Mapping[str, float]
    connection_timeouts: Mapping[str, float]
    exclusive: tuple[str, ...]
    environment: Mapping[str, str]
    static_info: tuple[Mapping[str, object], ...]
    device_info: tuple[Mapping[str, object], ...]
    storage_info: tuple[Mapping[str, object], ...]
    architectures: tuple[str, ...]
    host_address: str
    dictionary: Mapping[str, object] = field(repr=False)

    @property
    def can_restart(self) -> bool:
        """Return whether a boot can start afresh, whatever state the device is in."""
        power = self.power
        if power.kind == "emulator" or power.reset or (power.on and power.off):
            return True
        is_command = any(console.primary and console.kind == "pty" for console in self.consoles)
        return is_command and self.dictionary.get(CONNECTING_STARTS) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is wrong with a device: `errors` make it invalid, `warnings` are for who sets it up."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def render_device(
    text: str,
    *,
    name: str,
    device_type: str,
    context: Mapping[str, object],
    library: Library,
) -> dict[str, object]:
    """Return the checked device dictionary of the file `text` for a job with this context.

    Raises InvalidDeviceError with all problems, each with file and line, and JobError for a
    context that spoils a dictionary which is right without it.
    """
    _refuse_line_breaks(context)
    names = {"scheduled_device_name": name, "scheduled_device_type": device_type}
    try:
        return _rendered(text, name, {**context, **names}, library)
    except InvalidDeviceError as error:
        if context and _renders(text, name, names, library):
            raise JobError(f"Invalid job data: the context spoils {error}") from error
        raise


def _renders(text: str, name: str, variables: Mapping[str, object], library: Library) -> bool:
    try:
        _rendered(text, name, variables, library)
    except InvalidDeviceError:
        return False
    return True


def _rendered(
    text: str, name: str, variables: Mapping[str, object], library: Library
) -> dict[str, object]:
    rendered = templates.render(text, name=name, variables=variables, library=library)
    document, problems = _read(rendered)
    if document is None or problems:
        raise InvalidDeviceError(name, _in_rendered(problems))
    return _plain(document)


def check_device(text: str, *, name: str, device_type: str, library: Library) -> Verdict:
    """Return what is wrong with a device file, rendered without any job's context."""
    names = {"scheduled_device_name": name, "scheduled_device_type": device_type}
    try:
        rendered = templates.render(text, name=name, variables=names, library=library)
    except InvalidDeviceError as error:
        return Verdict(errors=error.problems)
    found = check_dictionary(rendered)
    return Verdict(errors=_in_rendered(found.errors), warnings=_in_rendered(found.warnings))


def check_dictionary(text: str) -> Verdict:
    """Return what is wrong with a dictionary that is rendered already."""
    document, problems = _read(text)
    if document is None or problems:
        return Verdict(errors=problems)
    found = device_schema.connection_findings(_plain(document))
    return Verdict(warnings=[document.problem(*finding) for finding in found])


def _refuse_line_breaks(context: Mapping[str, object]) -> None:
    for key, value in context.items():
        for item in value if isinstance(value, list) else [value]:
            if len(str(item).splitlines()) > 1 or str(item).endswith(("\n", "\r")):
                raise JobError(f"Invalid job data: context.{key} holds a line break")


def _read(rendered: str) -> tuple[Document | None, list[Problem]]:
    """Return the document and what is wrong with it."""
    try:
        document = source.read(rendered)
    except InvalidInputError as error:
        return None, error.problems
    findings = device_schema.DEVICE(document.value, ())
    return document, [document.problem(*finding) for finding in findings]


def _plain(document: Document) -> dict[str, object]:
    dictionary = to_json(document.value)
    return dictionary if isinstance(dictionary, dict) else {}


def _in_rendered(problems: Sequence[Problem]) -> list[Problem]:
    return [
        Problem(path=problem.path, line=problem.line, message=f"{problem.message} (rendered)")
        for problem in problems
    ]


def find_parent(text: str) -> str | None:
    """Return the name under which a device file extends another template."""
    found = _EXTENDS.search(text)
    return found[1] if found else None


def find_extended(text: str) -> str | None:
    """Return the template that a device file extends, which is its type as a rule."""
    parent = find_parent(text)
    if parent is None:
        return None
    name = parent.rpartition("/")[2]
    return name.removesuffix(".yaml").removesuffix(ENDING).removesuffix(".yaml")


def read_device(
    dictionary: Dictionary,
    *,
    name: str,
    device_type: str,
    context: Mapping[str, object] | None = None,
) -> DeviceSpec:
    """Return the device that a checked dictionary describes, for a job with this context.

    Raises InvalidDeviceError for consoles that no job could use.
    """
    findings = list(device_schema.connection_findings(dictionary))
    if findings:
        problems = [Problem(path=describe_path(path), message=text) for path, text in findings]
        raise InvalidDeviceError(name, problems)
    dictionary = _with_constants(dictionary, context or {})
    actions = _mapping(dictionary.get("actions"))
    timeouts = _mapping(dictionary.get("timeouts"))
    return DeviceSpec(
        name=name,
        device_type=device_type,
        consoles=_consoles(dictionary),
        power=_power(dictionary),
        deploy_methods=_methods(actions.get("deploy")),
        boot_methods=_methods(actions.get("boot")),
        constants=_mapping(dictionary.get("constants")),
        character_delays=_mapping(dictionary.get("character_delays")),
        parameters=_mapping(dictionary.get("parameters")),
        timeouts=durations.named(timeouts.get("actions")),
        connection_timeouts=durations.named(timeouts.get("connections")),
        exclusive=_texts(dictionary.get("exclusive")),
        environment=_environment(dictionary.get("environment")),
        static_info=_infos(dictionary.get("static_info")),
        device_info=_infos(dictionary.get("device_info")),
        storage_info=_infos(dictionary.get("storage_info")),
        architectures=_texts(dictionary.get("available_architectures")),
        host_address=str(dictionary.get("host_address") or ""),
        dictionary=dictionary,
    )


def _with_constants(dictionary: Dictionary, context: Mapping[str, object]) -> Dictionary:
    """Return the dictionary with the constants that a job's context has of its own."""
    constants = _mapping(dictionary.get("constants"))
    own = {key: value for key, value in context.items() if key in constants}
    return {**dictionary, "constants": {**constants, **own}} if own else dictionary


def _consoles(dictionary: Dictionary) -> tuple[ConsoleSpec, ...]:
    commands = _mapping(dictionary.get("commands"))
    connect = str(commands.get("connect") or "")
    named = _mapping(commands.get("connections"))
    consoles = [_console(DEFAULT_CHANNEL, connect, primary=True)] if connect else []
    for channel, connection in named.items():
        primary = not connect and (len(named) == 1 or "primary" in _tags(connection))
        console = _console(channel, str(_mapping(connection).get("connect", "")), primary=primary)
        consoles.append(replace(console, needs_power=NEEDS_POWER in _tags(connection)))
    if not consoles and is_emulated(dictionary):
        consoles = [ConsoleSpec(channel=DEFAULT_CHANNEL, kind="emulator")]
    elif dictionary.get(NEEDS_POWER) is True:
        consoles = [replace(console, needs_power=True) for console in consoles]
    return tuple(consoles)


def _tags(connection: object) -> tuple[str, ...]:
    return _texts(_mapping(connection).get("tags"))


def _console(channel: str, connect: str, *, primary: bool) -> ConsoleSpec:
    if _URL.match(connect):
        return ConsoleSpec(channel=channel, kind="url", primary=primary, url=connect)
    return ConsoleSpec(channel=channel, kind="pty", primary=primary, command=connect)


def is_emulated(dictionary: Dictionary) -> bool:
    """Return whether the device is a process that the run starts itself."""
    if "emulator" in dictionary:
        return True
    commands = _mapping(dictionary.get("commands"))
    connected = commands.get("connect") or commands.get("connections")
    boot = _mapping(_mapping(dictionary.get("actions")).get("boot"))
    return not connected and not _STARTED.isdisjoint(_mapping(boot.get("methods")))


def _power(dictionary: Dictionary) -> PowerSpec:
    commands = _mapping(dictionary.get("commands"))
    state = _mapping(commands.get("power_state"))

    def listed(key: str) -> tuple[str, ...]:
        return _command_list(commands.get(key))

    is_switched = any(listed(key) for key in ("power_on", "power_off", "hard_reset"))
    kind = "command" if is_switched else "none"
    return PowerSpec(
        kind="emulator" if is_emulated(dictionary) else kind,
        on=listed("power_on"),
        off=listed("power_off"),
        reset=listed("hard_reset"),
        soft_reboot=listed("soft_reboot"),
        pre_power=listed("pre_power_command"),
        pre_os=listed("pre_os_command"),
        state=str(state.get("command", "")),
        state_off=str(state.get("off", "")),
    )


def _command_list(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else _texts(value)


def _methods(action: object) -> dict[str, Mapping[str, object]]:
    methods = _mapping(_mapping(action).get("methods"))
    return {name: _mapping(parameters) for name, parameters in methods.items()}


def _environment(value: object) -> dict[str, str]:
    return {key: str(entry) for key, entry in _mapping(value).items()}


def _infos(value: object) -> tuple[Mapping[str, object], ...]:
    return tuple(_mapping(item) for item in value) if isinstance(value, list) else ()


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
