"""The hardware seam: Protocols that steps and drivers share. No driver, no bench, no job here."""
