"""Deploy methods: how images and the overlay come to a device."""

from labq.actions.deploy import download, fastboot, tftp, tmpfs

METHODS = (tmpfs.METHOD, tftp.METHOD, download.METHOD, fastboot.METHOD)
