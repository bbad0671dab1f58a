"""SpaceTravLR for Python."""
