"""The one error a user can cause."""


class AssayError(Exception):
    """Bad input. The message names the thing that is wrong and the cure, in one or two sentences.

    Stages print it without a traceback and exit with status 1; anything else is a bug and keeps its traceback.
    """
