"""Utilities from counted choices: Thurstone's law, its fit and its uncertainty, tasks and topics."""
