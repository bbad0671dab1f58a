"""Signaling."""
