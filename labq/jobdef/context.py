"""Context variables that a job may set for its device's template."""

from __future__ import annotations

from functools import cache

from labq import config

VARIABLES = frozenset(
    (
        "arch",
        "boot_character_delay",
        "boot_console",
        "boot_retry",
        "boot_root",
        "booti_dtb_addr",
        "booti_kernel_addr",
        "booti_ramdisk_addr",
        "bootloader_prompt",
        "bootm_dtb_addr",
        "bootm_kernel_addr",
        "bootm_ramdisk_addr",
        "bootz_dtb_addr",
        "bootz_kernel_addr",
        "bootz_ramdisk_addr",
        "console_device",
        "cpu",
        "custom_kernel_args",
        "deploy_character_delay",
        "extra_kernel_args",
        "extra_nfsroot_args",
        "extra_options",
        "failure_retry",
        "guestfs_driveid",
        "guestfs_interface",
        "guestfs_size",
        "kernel_loglevel",
        "kernel_start_message",
        "lava_test_results_dir",
        "machine",
        "memory",
        "menu_interrupt_prompt",
        "model",
        "monitor",
        "mustang_menu_list",
        "netdevice",
        "no_kvm",
        "no_network",
        "serial",
        "test_character_delay",
        "tftp_mac_address",
        "uboot_altbank",
        "uboot_extra_error_message",
        "uboot_needs_interrupt",
        "vga",
    )
)


def is_known(name: object) -> bool:
    """Return whether a job may set the variable: LAVA's, and those of LABQ_CONTEXT_VARIABLES."""
    return name in VARIABLES or name in _site_variables()


@cache
def _site_variables() -> frozenset[str]:
    return config.load().site_context_variables
