"""The command line that all scripts share, and its checks.

Flags live in a `FlagValues` of their own, not in absl's global one, so that several scripts can be
imported into one process.
"""

import copy
import os
import sys
from collections.abc import Callable, Sequence

from adversarial_autoencoder import layers, losses, priors
from adversarial_autoencoder.errors import UserError

from absl import flags

# What is done with a run, as opposed to what makes it: not stored with it, free to differ later.
ACTIONS = (
    "train",
    "resume",
    "run",
    "evaluate",
    "epoch",
    "generate",
    "visualize",
    "show",
    "results_dir",
    "flagfile",
    "undefok",
)

# Data may have moved since: what is given counts, and the data themselves are compared.
WHERE_DATA_LIE = ("dataset", "data_dir")

# What is given counts, since it changes nothing that is trained.
FREE_TO_CHANGE = (*WHERE_DATA_LIE, "keep_every")

PRECISIONS = ("float32", "mixed_bfloat16")

_TRUE_WORDS = ("true", "t", "yes", "y", "1")
_FALSE_WORDS = ("false", "f", "no", "n", "0")


class CommandLineError(UserError):
    """A command line that cannot be understood; scripts exit with 2."""


def parse(
    argv: Sequence[str],
    description: str,
    define_more: Callable[[flags.FlagValues], None] | None = None,
    **defaults: object,
) -> flags.FlagValues:
    """Reads a script's command line.

    Args:
      argv: the words of the command line, the script's name first.
      description: the script's docstring, shown by `--help`.
      define_more: defines the flags that only this script has.
      **defaults: the script's own defaults of shared flags, for example `z_dim=15`.

    Returns:
      The flags; `values.z_dim` reads one.

    Raises:
      CommandLineError: a word or value that is not understood, by name.
      SystemExit: after `--help`.
    """
    values = flags.FlagValues()
    _define_shared(values)
    if define_more is not None:
        define_more(values)
    for name, default in defaults.items():
        values[name].neutral = values[name].default  # For `adopt`.
        values.set_default(name, default)
    words = join_boolean_words(list(argv[1:]), values)
    if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(words):
        print(_help(description, values))
        raise SystemExit(0)
    try:
        stray = values([argv[0], *words])[1:]
    except flags.Error as error:
        raise CommandLineError(_one_line(error)) from None
    except OSError as error:
        raise CommandLineError(
            f"the flag file {error.filename} cannot be read: {error.strerror}"
        ) from None
    if stray:
        raise CommandLineError(
            f"{stray[0]!r} is not understood: every option is a flag such as --z_dim=2 "
            "(--help lists them)"
        )
    if values.resume and not values.train:
        raise CommandLineError("--resume goes on with training: give --train too")
    if values.epoch and values.train:
        raise CommandLineError("--epoch loads a run as it was then: leave --train away")
    if "prior" in values:
        try:
            priors.check(values.prior, values.z_dim)
        except ValueError as error:
            raise CommandLineError(str(error)) from None
    return values


def boolean(values: flags.FlagValues, name: str, default: bool, meaning: str) -> None:
    """Defines a flag that is on or off."""
    flags.DEFINE_boolean(name, default, meaning, flag_values=values)


def integer(
    values: flags.FlagValues, name: str, default: int, meaning: str, least: int = 1
) -> None:
    """Defines a flag that is a whole number, at least `least`."""
    flags.DEFINE_integer(name, default, meaning, lower_bound=least, flag_values=values)


def number(values: flags.FlagValues, name: str, default: float, meaning: str) -> None:
    """Defines a flag that is a number above 0."""
    flags.DEFINE_float(name, default, meaning, flag_values=values)
    _must(name, lambda v: 0 < v < float("inf"), "must be a number above 0", values)


def fraction(
    values: flags.FlagValues, name: str, default: float, meaning: str, below: float = 1.0
) -> None:
    """Defines a flag that is a number from 0 up to, but not including, `below`."""
    flags.DEFINE_float(name, default, meaning, flag_values=values)
    limit = "" if below == float("inf") else f" and below {below:g}"
    _must(name, lambda v: 0 <= v < below, f"must be a number of at least 0{limit}", values)


def string(values: flags.FlagValues, name: str, default: str | None, meaning: str) -> None:
    """Defines a flag that is any text."""
    flags.DEFINE_string(name, default, meaning, flag_values=values)


def choice(
    values: flags.FlagValues, name: str, default: str, choices: Sequence[str], meaning: str
) -> None:
    """Defines a flag that is one of several words."""
    meaning = f"{', '.join(choices)}: {meaning}"
    flags.DEFINE_enum(name, default, choices, meaning, flag_values=values)


def define_regularization(values: flags.FlagValues) -> None:
    """Defines the flags of the prior, and of how codes are held to it."""
    choice(values, "prior", "gaussian", priors.NAMES, "the distribution of the codes")
    number(values, "prior_stddev", 5.0, "spread of a gaussian or uniform prior, each dimension")
    choice(values, "encoder", "deterministic", layers.ENCODERS, "gaussian codes are drawn")
    number(values, "discriminator_rate", 1.0, "the discriminator's own, times the learning rate")
    number(values, "generator_rate", 1.0, "that of the encoder when it fools the discriminator")


def is_given(values: flags.FlagValues, name: str) -> bool:
    """Whether the flag stood on the command line or in a flag file."""
    return values[name].present > 0


def to_flagfile(values: flags.FlagValues) -> list[str]:
    """Returns the lines of a flag file that makes the same run, in the order of their names.

    Flags that say what to do with a run (`ACTIONS`) are left out.
    """
    lines = []
    for name in sorted(values):
        if name not in ACTIONS and values[name].value is not None:
            lines.append(values[name].serialize())
    return lines


def adopt(values: flags.FlagValues, lines: Sequence[str], source: str) -> None:
    """Takes over the flags of a stored run, in place.

    Args:
      values: the command line's flags, changed in place.
      lines: those of `to_flagfile`.
      source: where the lines stand, for messages.

    Raises:
      UserError: a flag that was given on the command line contradicts the stored one, or a stored
        flag is unknown or has a bad value.
    """
    stored = flags.FlagValues()
    for name in values:
        stored[name] = copy.deepcopy(values[name])
        # A flag newer than the run did nothing in it, whatever the script's own default is now.
        stored[name].default = getattr(values[name], "neutral", values[name].default)
        stored[name].unparse()
    try:
        stored([source, *lines])
    except flags.Error as error:
        raise UserError(f"{source}: {_one_line(error)}") from None
    for name in stored:
        if name in ACTIONS:
            continue
        given, kept = values[name], stored[name]
        if name in FREE_TO_CHANGE and is_given(values, name) and given.value != "auto":
            continue
        if is_given(values, name) and given.value not in (kept.value, "auto"):
            raise UserError(
                f"{given.serialize()} contradicts the run, which has {kept.serialize()} "
                f"({source}): leave the flag away, or start a new run"
            )
        given.value = kept.value


def exit_on_user_error(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a script: what the user can put right ends it with one line, not with a traceback.

    Exits with 2 after a `CommandLineError`, with 1 after any other `UserError`.
    """
    script = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    try:
        main(sys.argv)
    except UserError as error:
        print(f"{script}: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, CommandLineError) else 1)
    except KeyboardInterrupt:  # Outside the training loop, which saves first.
        print(f"{script}: interrupted", file=sys.stderr)
        sys.exit(130)


def _define_shared(values: flags.FlagValues) -> None:
    string(values, "flagfile", "", "file with one flag a line, read where it stands")
    string(values, "undefok", "", "names of flags that may be unknown, comma-separated")

    boolean(values, "train", False, "train; without it the newest run is loaded and drawn again")
    boolean(values, "resume", False, "with --train: go on with the newest run, to the same end")
    boolean(values, "evaluate", False, "measure the run: a table, and metrics.json in its folder")
    integer(values, "epoch", 0, "load this epoch; 0: the best, or the newest", least=0)
    boolean(values, "generate", False, "draw a sheet of samples alone")
    boolean(values, "visualize", False, "draw codes and the manifold alone; z_dim 2")
    boolean(values, "show", False, "open a window with each picture")
    string(values, "run", None, "the run folder meant by the above (the newest by default)")
    string(values, "results_dir", "Results", "where the runs' folders are made")

    string(values, "dataset", "auto", "auto, mnist, glyphs, a TFDS image data set, a path to .npz")
    string(values, "data_dir", None, "where data lie: MNIST's .gz files, mnist.npz, TFDS' folders")
    integer(values, "n_images", 0, "train on the first so many; 0: all", least=0)

    integer(values, "z_dim", 2, "size of the latent code")
    integer(values, "n_l1", 1000, "units of the first hidden layer")
    integer(values, "n_l2", 1000, "units of the second hidden layer")
    fraction(values, "noise_stddev", 0.0, "noise on the encoder's input, in training", float("inf"))
    boolean(values, "batch_norm", False, "batch normalization in the encoder's hidden layers")
    fraction(values, "dropout", 0.0, "share of the encoder's hidden units left out, in training")
    choice(values, "reconstruction_loss", "mse", losses.RECONSTRUCTION, "what a copy is judged by")
    choice(values, "pixel_range", "0,1", layers.PIXEL_RANGES, "of the encoder's input; -1,1: tanh")
    choice(values, "initializer", "normal", layers.INITIALIZERS, "first weights, N(0, 0.01²) or He")

    integer(values, "batch_size", 100, "images in a step")
    integer(values, "keep_every", 0, "keep the checkpoint of every so many epochs", least=0)
    integer(values, "n_epochs", 1000, "passes over the training images")
    number(values, "learning_rate", 0.001, "Adam's learning rate")
    fraction(values, "beta1", 0.9, "Adam's beta1")
    fraction(values, "averaging", 0.0, "keep the weights' average, each step's share falling so")
    flags.DEFINE_list(
        "learning_rate_drops",
        [],
        "epochs after which the learning rate falls to a tenth, such as 20,30",
        flag_values=values,
    )
    _must("learning_rate_drops", _are_epochs, "takes growing epochs such as 20,30", values)
    integer(values, "seed", 0, "same seed, same machine: the same run", least=0)
    choice(values, "precision", "float32", PRECISIONS, "arithmetic of the layers")


def _must(name: str, test: Callable, message: str, values: flags.FlagValues) -> None:
    flags.register_validator(name, test, message=message, flag_values=values)


def _are_epochs(words: Sequence[str]) -> bool:
    if not all(word.strip().isdecimal() for word in words):
        return False
    epochs = [int(word) for word in words]
    return all(a < b for a, b in zip([0, *epochs], epochs, strict=False))


def join_boolean_words(words: list[str], values: flags.FlagValues) -> list[str]:
    """Turns `--train True` into `--train=true`: readers type what the articles print."""
    joined = []
    for word in words:
        previous = joined[-1].lstrip("-") if joined and joined[-1].startswith("-") else ""
        is_boolean = previous in values and values[previous].boolean
        if is_boolean and word.lower() in _TRUE_WORDS:
            joined[-1] = f"--{previous}=true"
        elif is_boolean and word.lower() in _FALSE_WORDS:
            joined[-1] = f"--{previous}=false"
        else:
            joined.append(word)
    return joined


def _one_line(error: flags.Error) -> str:
    return " ".join(str(error).split())


def _help(description: str, values: flags.FlagValues) -> str:
    lines = [description.strip(), "", "Flags:"]
    for name in sorted(set(values) - {"undefok"}):
        flag = values[name]
        lines.append(f"  --{name} (default {flag.default_as_str or 'none'}): {flag.help}")
    return "\n".join(lines)
