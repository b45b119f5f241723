"""Stages of the preference study."""
