"""Lists on a command line: words with commas between them."""


def words(text: str) -> list[str]:
    """The words of a list such as a,b; none of an empty text."""
    return [word.strip() for word in text.split(",") if word.strip()]
