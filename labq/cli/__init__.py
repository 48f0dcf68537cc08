"""The command line: one click command a file, found through one literal tuple."""
