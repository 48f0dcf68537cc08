"""Figures of the lab, taken from rows as they change; sent by `labq.statsd` after the commit."""
