"""Utilities read from activations, beside what the text alone says, on held-out tasks and topics."""
