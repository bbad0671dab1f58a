"""Tissue."""
