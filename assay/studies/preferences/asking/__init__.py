"""Choices between two tasks: which pairs, how they are asked, how an answer is read."""
