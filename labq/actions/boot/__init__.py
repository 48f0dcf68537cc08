"""Boot methods: how a device starts and how a shell on it is reached."""

from labq.actions.boot import fastboot, minimal, qemu, u_boot

METHODS = (qemu.METHOD, u_boot.METHOD, minimal.METHOD, fastboot.METHOD)
