"""The one exception that stands for something the user can put right."""


class UserError(Exception):
    """What is wrong and what to do about it, in one line; scripts print it and exit with 1.

    Names of files and classes may hold anything. Line ends and control characters are shown as
    escapes, so that they neither break the line nor reach the terminal.
    """

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Returns the text with escapes such as `\\n` for what cannot be printed in one line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: object, limit: int = 250) -> str:
    """Returns text from elsewhere as it can stand in a `UserError`: short, printable, one line.

    Args:
      text: an exception, a name from a file, ...; of an exception without text, its type.
      limit: characters; what is longer ends in "...".
    """
    words = " ".join((str(text) or type(text).__name__).split())
    shown = printable(words[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
