"""Prior."""
