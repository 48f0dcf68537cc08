"""DeviceSpec: what a device dictionary means, and what is wrong with one."""

from __future__ import annotations

import pytest
import yaml

from labq.domain.plan import ConsoleSpec, PowerSpec
from labq.jobdef.device import (
    DeviceSpec,
    check_device,
    check_dictionary,
    read_device,
    render_device,
)
from labq.jobdef.templates import InvalidDeviceError, Library
from tests.unit import jobs


def device(**dictionary: object) -> DeviceSpec:
    text = yaml.safe_dump({"actions": {}, **dictionary})
    rendered = render_device(text, name="b", device_type="t", context={}, library=Library())
    return read_device(rendered, name="b", device_type="t")


def problems(**dictionary: object) -> list[str]:
    text = yaml.safe_dump({"actions": {}, **dictionary})
    found = check_device(text, name="b", device_type="t", library=Library())
    return [f"{problem.path}: {problem.message}" for problem in (*found.errors, *found.warnings)]


def test_an_empty_dictionary_is_a_device_that_can_do_nothing() -> None:
    empty = device(hostname="b")
    assert (empty.consoles, empty.boot_methods, empty.deploy_methods) == ((), {}, {})
    assert empty.power == PowerSpec(kind="none")
    assert not empty.can_restart


@pytest.mark.parametrize(
    "url",
    [
        "serial:///dev/ttyUSB0?baudrate=115200",
        "/dev/serial/by-path/pci-1?baud=9600",
        "rfc2217://lab:2001",
        "socket://a:1",
        "unix:///x",
    ],
)
def test_a_connection_that_is_a_url_is_opened_as_one(url: str) -> None:
    assert device(commands={"connect": url}).consoles == (
        ConsoleSpec(channel="console", kind="url", url=url),
    )


def test_another_connection_is_a_command() -> None:
    assert device(commands={"connect": "telnet lab 2001"}).consoles == (
        ConsoleSpec(channel="console", kind="pty", command="telnet lab 2001"),
    )


def test_one_of_several_connections_is_primary() -> None:
    connections = {
        "uart0": {"connect": "telnet lab 2001", "tags": ["primary", "telnet"]},
        "uart1": {"connect": "socket://lab:2002"},
    }
    first, second = device(commands={"connections": connections}).consoles
    assert (first.channel, first.primary, first.kind) == ("uart0", True, "pty")
    assert (second.channel, second.primary, second.kind) == ("uart1", False, "url")


def test_a_single_connection_needs_no_tag_to_be_primary() -> None:
    (console,) = device(commands={"connections": {"uart0": {"connect": "x"}}}).consoles
    assert (console.channel, console.primary) == ("uart0", True)


@pytest.mark.parametrize("tags", [(["primary"], ["primary"]), ([], [])])
def test_several_connections_need_exactly_one_primary(tags: tuple[list[str], list[str]]) -> None:
    connections = {
        f"uart{index}": {"connect": "x", "tags": list(found)} for index, found in enumerate(tags)
    }
    assert (
        "exactly one must have the tag 'primary'"
        in problems(commands={"connections": connections})[0]
    )


def test_a_connect_command_is_primary_beside_named_connections() -> None:
    both = {"connect": "x", "connections": {"uart1": {"connect": "y", "tags": ["primary"]}}}
    first, second = device(commands=both).consoles
    assert (first.channel, first.primary, first.command) == ("console", True, "x")
    assert (second.channel, second.primary, second.command) == ("uart1", False, "y")


def test_consoles_that_no_job_could_use_are_valid_but_make_no_device() -> None:
    connections = {"uart0": {"connect": "x"}, "uart1": {"connect": "y"}}
    found = check_dictionary(
        yaml.safe_dump({"actions": {}, "commands": {"connections": connections}})
    )
    assert found.errors == []
    assert [(problem.path, problem.line) for problem in found.warnings] == [
        ("commands.connections", 3)
    ]
    with pytest.raises(InvalidDeviceError, match="exactly one must have the tag 'primary'"):
        device(commands={"connections": connections})


def test_a_dictionary_that_is_rendered_already_is_not_rendered_again() -> None:
    assert check_dictionary("actions: {}\nnote: '{{ 1 / 0 }}'\n").errors == []
    (problem,) = check_dictionary("a: 1\nusb_vendor_id: 12\nactions: {}\n").errors
    assert (problem.path, problem.line) == ("usb_vendor_id", 2)


def test_a_dictionary_without_actions_is_invalid() -> None:
    (problem,) = check_dictionary("hostname: x\n").errors
    assert problem.message == "needs the key 'actions'"


@pytest.mark.parametrize("methods", ["{}", "null"])
def test_methods_and_connections_may_be_empty(methods: str) -> None:
    text = f"actions: {{deploy: {{methods: {methods}, connections: {methods}}}}}"
    assert check_dictionary(text).errors == []


def test_a_jobs_context_replaces_constants_of_the_same_name_only() -> None:
    found = read_device(
        {"constants": {"boot_retry": None, "failure_retry": 1}},
        name="b",
        device_type="t",
        context={"boot_retry": 3, "memory": 512},
    )
    assert found.constants == {"boot_retry": 3, "failure_retry": 1}
    assert found.dictionary["constants"] == found.constants


def test_power_commands_are_one_or_a_list() -> None:
    power = device(commands={"hard_reset": "reset", "power_on": ["a", "b"], "power_off": ""}).power
    assert power == PowerSpec(kind="command", reset=("reset",), on=("a", "b"))


def test_an_outlet_may_tell_its_state() -> None:
    commands = {"power_off": "off", "power_state": {"command": "state 4", "off": "is off$"}}
    power = device(commands=commands).power
    assert (power.state, power.state_off) == ("state 4", "is off$")
    wrong = {"power_state": {"command": "state 4", "off": "("}}
    assert "commands.power_state.off: must be a regular expression" in problems(commands=wrong)[0]
    assert problems(commands={"power_state": {"command": "state 4"}})


def test_a_serial_port_may_need_the_boards_power() -> None:
    commands = {"connect": "/dev/serial/by-path/pci-1"}
    (console,) = device(commands=commands, console_needs_power=True).consoles
    assert console.needs_power
    connections = {
        "main": {"connect": "a", "tags": ["primary"]},
        "usb": {"connect": "b", "tags": ["console_needs_power"]},
    }
    main, usb = device(commands={"connections": connections}).consoles
    assert (main.needs_power, usb.needs_power) == (False, True)
    assert problems(console_needs_power="often")


def test_a_soft_reboot_alone_is_no_power_control() -> None:
    power = device(commands={"soft_reboot": "reboot", "pre_power_command": "x"}).power
    assert power == PowerSpec(kind="none", soft_reboot=("reboot",), pre_power=("x",))


@pytest.mark.parametrize(
    ("commands", "can"),
    [
        ({"connect": "serial:///dev/x"}, False),
        ({"connect": "serial:///dev/x", "power_on": "a"}, False),
        ({"connect": "serial:///dev/x", "power_on": "a", "power_off": "b"}, True),
        ({"connect": "serial:///dev/x", "hard_reset": "a"}, True),
        ({"connect": "telnet lab 2001"}, False),
    ],
)
def test_a_device_restarts_by_power(commands: object, can: bool) -> None:
    assert device(commands=commands).can_restart is can


def test_a_device_that_is_its_connect_command_restarts_by_connecting() -> None:
    assert device(commands={"connect": "a command"}, connecting_starts=True).can_restart
    assert jobs.device("shell").can_restart
    assert jobs.device("uml").can_restart


def test_a_console_that_must_be_a_named_connection_is_one() -> None:
    commands = {"connect": "telnet lab 2001", "must_use_connection": True}
    assert "the console must stand here, not in connect" in problems(commands=commands)[0]


@pytest.mark.parametrize("template", ["qemu", "qemu-uboot"])
def test_emulated_boards_are_processes_of_the_run(template: str) -> None:
    found = jobs.device(template)
    assert found.power.kind == "emulator"
    assert found.consoles == (ConsoleSpec(channel="console", kind="emulator"),)
    assert found.can_restart


def test_a_board_with_an_emulator_key_and_a_connection_uses_both() -> None:
    found = device(emulator={"command": ["emu"]}, commands={"connect": "socket://x:1"})
    assert found.power.kind == "emulator"
    assert found.consoles[0].kind == "url"


def test_the_rest_of_a_dictionary_is_read() -> None:
    found = device(
        constants={"failure_retry": 2},
        character_delays={"boot": 10},
        parameters={"booti": {"kernel": "0x1"}},
        timeouts={"actions": {"power-off": {"seconds": 5}}, "connections": {"x": {"minutes": 1}}},
        actions={"deploy": {"methods": {"tftp": None}}, "boot": {"methods": {"grub": {"a": 1}}}},
        exclusive=["hub-1"],
        environment={"A": 5},
        static_info=[{"ip": "1.2.3.4"}],
        device_info=[{"board_id": "77"}],
        storage_info=[{"SATA": "/dev/sda"}],
        available_architectures=["arm64"],
        host_address="10.0.2.2",
    )
    assert found.constants == {"failure_retry": 2}
    assert found.character_delays == {"boot": 10}
    assert found.parameters == {"booti": {"kernel": "0x1"}}
    assert (found.timeouts, found.connection_timeouts) == ({"power-off": 5}, {"x": 60})
    assert (found.deploy_methods, found.boot_methods) == ({"tftp": {}}, {"grub": {"a": 1}})
    assert (found.exclusive, found.environment) == (("hub-1",), {"A": "5"})
    assert found.static_info == ({"ip": "1.2.3.4"},)
    assert found.device_info == ({"board_id": "77"},)
    assert found.storage_info == ({"SATA": "/dev/sda"},)
    assert (found.architectures, found.host_address) == (("arm64",), "10.0.2.2")


@pytest.mark.parametrize(
    ("dictionary", "expected"),
    [
        ({"commands": {"hard_reset": 5}}, "commands.hard_reset: must be a command"),
        ({"commands": {"users": {"x": {"undo": "y"}}}}, "commands.users.x: needs the key 'do'"),
        ({"emulator": {}}, "emulator: needs the key 'command'"),
        ({"emulator": {"command": "qemu"}}, "emulator.command: must be a list"),
        ({"exclusive": "hub"}, "exclusive: must be a list"),
        ({"usb_vendor_id": 1234}, "usb_vendor_id: must be a string"),
        ({"timeouts": {"actions": {"x": 5}}}, "timeouts.actions.x: must be a mapping"),
        ({"static_info": {"a": 1}}, "static_info: must be a list"),
        ({"character_delays": {"boot": "slow"}}, "character_delays.boot: must be an integer"),
        ({"actions": {"boot": {"methods": ["qemu"]}}}, "actions.boot.methods: must be a mapping"),
    ],
)
def test_wrong_types_are_told_with_their_place(
    dictionary: dict[str, object], expected: str
) -> None:
    assert problems(**dictionary)[0].startswith(expected)


def test_a_device_reached_by_ssh_has_no_power_commands() -> None:
    actions = {"deploy": {"methods": {"ssh": {"host": "lab"}}}}
    assert problems(actions=actions, commands={"hard_reset": "x"}) == [
        "commands.hard_reset: a device with an ssh host has no power commands (rendered)"
    ]
    assert problems(actions=actions, commands={"connect": "ssh lab"}) == []


def test_keys_that_labq_does_not_know_pass() -> None:
    assert problems(frobnicate={"a": 1}, commands={"dance": "x"}) == []


def options(**context: object) -> list[str]:
    methods = jobs.device("qemu", context=context).boot_methods
    parameters = methods["qemu"]["parameters"]
    assert isinstance(parameters, dict)
    return [parameters["command"], *parameters["options"], *parameters["extra"]]


def test_qemu_picks_program_and_board_by_architecture() -> None:
    assert options()[0] == "qemu-system-x86_64"
    assert "-machine q35,accel=tcg" in options()
    arm = options(arch="arm64")
    assert arm[0] == "qemu-system-aarch64"
    assert "-machine virt,accel=tcg" in arm
    assert "-cpu cortex-a57" in arm
    assert options(arch="arm")[0] == "qemu-system-arm"


def test_qemu_never_assumes_kvm() -> None:
    found = options(arch="arm64", machine="virt,accel=kvm,gic-version=3", cpu="host")
    assert "-machine virt,gic-version=3,accel=tcg" in found
    assert "-cpu cortex-a57" in found


def test_qemu_uses_kvm_where_the_device_file_says_so() -> None:
    def machine(**context: object) -> object:
        found = jobs.device("qemu", variables="{% set kvm = true %}", context=context)
        return found.boot_methods["qemu"]["parameters"]

    assert "-cpu host" in str(machine())
    assert "accel=kvm" in str(machine())
    assert "accel=tcg" in str(machine(no_kvm=True))


def test_qemu_takes_the_context_of_the_job() -> None:
    found = options(memory="4G", cpu="max,pauth-impdef=on", extra_options=["-smp 2", "-no-reboot"])
    assert "-m 4G" in found
    assert "-cpu max,pauth-impdef=on" in found
    assert found[-2:] == ["-smp 2", "-no-reboot"]


def test_qemu_gives_the_job_a_network_without_privileges() -> None:
    assert "-netdev user,id=net0" in options(netdevice="tap")
    assert not [option for option in options(no_network=True) if "netdev" in option]
    tap = jobs.device("qemu", variables="{% set allow_tap = true %}", context={"netdevice": "tap"})
    assert "-netdev tap,id=net0" in str(tap.boot_methods)


def test_uml_quotes_what_a_job_brings_to_its_command() -> None:
    found = jobs.device(
        "uml", context={"memory": "64M; reboot", "extra_kernel_args": "a $(id) {RAMDISK}"}
    )
    command = found.consoles[0].command
    assert "'mem=64M; reboot'" in command
    assert " a '$(id)' 'RAMDISK}' " in command
    assert command.endswith(" uml_dir={FOLDER} initrd={RAMDISK}")
