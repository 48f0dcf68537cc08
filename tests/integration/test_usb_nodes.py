"""Device nodes of a board on USB, found in a tree like the kernel's."""

from __future__ import annotations

from pathlib import Path

from labq.actions.steps.usb_nodes import nodes_of


def a_device(folder: Path, name: str, *, serial: str, nodes: tuple[str, ...]) -> None:
    """Make what the kernel shows of a device: its numbers, and a folder for each node below it."""
    real = folder / "sys" / "devices" / name
    real.mkdir(parents=True)
    for key, value in (("idVendor", "18d1"), ("idProduct", "4ee7"), ("serial", serial)):
        (real / key).write_text(f"{value}\n")
    for number, node in enumerate(nodes):
        below = real if number == 0 else real / f"{name}:1.{number}"
        below.mkdir(exist_ok=True)
        (below / "dev").write_text("189:1\n")
        (below / "uevent").write_text(f"MAJOR=189\nDEVNAME={node}\n")
        (folder / "dev" / node).parent.mkdir(parents=True, exist_ok=True)
        (folder / "dev" / node).touch()
    links = folder / "sys" / "bus" / "usb" / "devices"
    links.mkdir(parents=True, exist_ok=True)
    (links / name).symlink_to(real)


def test_all_nodes_of_the_board_are_found_and_those_of_others_are_not(tmp_path: Path) -> None:
    a_device(tmp_path, "1-1", serial="ABC", nodes=("bus/usb/001/004", "ttyACM0"))
    a_device(tmp_path, "1-2", serial="XYZ", nodes=("bus/usb/001/005", "ttyACM1"))
    sys, dev = tmp_path / "sys", tmp_path / "dev"
    found = nodes_of([{"board_id": "ABC"}], sys=sys, dev=dev)
    assert found == [dev / "bus/usb/001/004", dev / "ttyACM0"]
    by_ids = [{"usb_vendor_id": "18d1", "usb_product_id": "4EE7"}]
    assert len(nodes_of(by_ids, sys=sys, dev=dev)) == 4
    assert nodes_of([{"board_id": ""}, "odd", {}], sys=sys, dev=dev) == []
    assert nodes_of(None, sys=sys, dev=dev) == []
