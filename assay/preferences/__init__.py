"""The preference study's instruments: choices between tasks, utilities, and what predicts them."""
