"""The preference study: utilities of tasks from pairwise choices, and what can be said about them."""
