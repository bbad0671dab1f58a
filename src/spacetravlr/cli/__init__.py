"""The command line: `spacetravlr` and `spacetravlr-perturb`.

What `--help` needs is light: typer, rich and the standard library. Everything else is imported when a command runs.
"""
