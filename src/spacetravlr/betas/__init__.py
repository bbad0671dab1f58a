"""Betas."""
