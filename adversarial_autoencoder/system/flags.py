"""The flags of a command line, and the kinds that they are of.

Flags live in a `FlagValues` of their own, not in absl's global one, so that several scripts can be
imported into one process.
"""

import contextlib
from collections.abc import Iterator, Sequence

from absl import flags as absl_flags

OWN = "This script's own"  # The group of flags in `--help` unless another is given.


class Flags(absl_flags.FlagValues):
    """The flags of one command line; `flags.z_dim` reads one.

    It also keeps the defaults that all scripts share, for flags that are newer than a stored run:
    they had no effect in it, whatever the script's own default is now.
    """

    def __init__(self):
        super().__init__()
        # By way of `__dict__`, since attributes are flags.
        self.__dict__.update(shared_defaults={}, group=OWN)

    @contextlib.contextmanager
    def grouped(self, name: str) -> Iterator[None]:
        """Within a `with` block, `--help` lists the flags that are defined under this heading."""
        before = self.group
        self.__dict__["group"] = name
        yield
        self.__dict__["group"] = before


def boolean(flags: Flags, name: str, default: bool, meaning: str) -> None:
    """Defines a flag that is on or off."""
    absl_flags.DEFINE_boolean(name, default, meaning, flags, flags.group)


def integer(
    flags: Flags, name: str, default: int, meaning: str, least: int = 1, most: int = 10**9
) -> None:
    """Defines a flag that is an integer from `least` to `most`."""
    bounds = {"lower_bound": least, "upper_bound": most}
    absl_flags.DEFINE_integer(
        name, default, meaning, flag_values=flags, module_name=flags.group, **bounds
    )


def number(
    flags: Flags, name: str, default: float, meaning: str, least: float = 1e-12, most: float = 1e6
) -> None:
    """Defines a flag that is a number from `least` to `most`."""
    parser, serializer = _Bounded(least, most), absl_flags.ArgumentSerializer()
    absl_flags.DEFINE(parser, name, default, meaning, flags, serializer, flags.group)


class _Bounded(absl_flags.FloatParser):
    def is_outside_bounds(self, value: float) -> bool:
        return not self.lower_bound <= value <= self.upper_bound  # For nan too.


def string(flags: Flags, name: str, default: str | None, meaning: str) -> None:
    """Defines a flag that is any text."""
    absl_flags.DEFINE_string(name, default, meaning, flags, module_name=flags.group)


def choice(flags: Flags, name: str, default: str, choices: Sequence[str], meaning: str) -> None:
    """Defines a flag that is one of several words, which `--help` lists before the meaning."""
    absl_flags.DEFINE_enum(name, default, choices, meaning, flags, flags.group)


def names(flags: Flags, name: str, meaning: str) -> None:
    """Defines a flag that is a list of words, comma-separated; none by default."""
    absl_flags.DEFINE_list(name, [], meaning, flags, module_name=flags.group)


def is_given(flags: Flags, name: str) -> bool:
    """Whether the flag stands on the command line or in a flag file."""
    return flags[name].present > 0
