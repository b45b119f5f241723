"""Replies whose lines spell a word."""


def initials(reply: str) -> str:
    """The first letters of the lines that are not empty, in upper case."""
    lines = (line.lstrip() for line in reply.splitlines())
    return "".join(line[0] for line in lines if line).upper()


def spells(reply: str, word: str) -> bool:
    """Whether the lines of a reply spell `word`, and nothing else."""
    return initials(reply) == word.upper()
