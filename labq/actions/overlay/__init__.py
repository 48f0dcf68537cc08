"""What labq adds to a device's root file system so that tests can run and report."""
