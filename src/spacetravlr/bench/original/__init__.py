"""The original Python package, in an environment of its own: `driver.py` is a script for that environment."""
