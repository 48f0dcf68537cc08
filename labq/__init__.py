"""labq runs hardware test labs: job definitions in, real boots, results out."""

__version__ = "0.1.0"
