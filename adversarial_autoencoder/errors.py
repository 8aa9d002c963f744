"""The one exception that stands for something the user can put right."""


class UserError(Exception):
    """What is wrong and what to do about it, in one line; scripts print it and exit with 1."""
