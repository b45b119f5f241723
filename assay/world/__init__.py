"""The standard's truth and how it is asked: places, people, codes, gambles, tasks, triggers. Knows no model."""
