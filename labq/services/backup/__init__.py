"""Backups: a database and the files that it names as one bundle, and back."""
