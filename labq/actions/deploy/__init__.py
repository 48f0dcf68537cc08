"""Deploy methods: how images and the overlay come to a device."""

from labq.actions.deploy import download, tftp, tmpfs

METHODS = (tmpfs.METHOD, tftp.METHOD, download.METHOD)
