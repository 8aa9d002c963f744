"""The command line that all scripts share, and its checks.

Flags live in a `FlagValues` of their own, not in absl's global one, so that several scripts can be
imported into one process.
"""

import copy
import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence

from adversarial_autoencoder import layers, losses, priors
from adversarial_autoencoder.system import flagfiles, screen
from adversarial_autoencoder.system.errors import UserError, one_line

from absl import flags as absl_flags

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
    "explorer",
    "results_dir",
    "flagfile",
    "undefok",
    "wait",
)

# Data may have moved since: what is given counts, and the data themselves are compared.
WHERE_DATA_LIE = ("dataset", "data_dir")

# What is given counts, since it changes nothing that is trained (--devices: but for rounding).
FREE_TO_CHANGE = (*WHERE_DATA_LIE, "keep_every", "devices", "streaming")

# Flags that all scripts had once, at the value without effect: in the flags.txt of older runs.
FORMER = {"encoder": "deterministic", "pixel_range": "0,1"}

# Weights in the page explorer.html; the first is the default.
EXPLORERS = ("float16", "int8", "none")

PRECISIONS = ("float32", "mixed_bfloat16")

# Groups of flags in `--help`; the second unless another is given.
NETWORKS, OWN = "Networks", "This script's own"

FOLDERS = ("results_dir", "run")  # Flags in which `~` is the home folder; data have theirs.

MOST_UNITS = 100_000  # Of a layer.

_TRUE_WORDS = ("true", "t", "yes", "y", "1")
_FALSE_WORDS = ("false", "f", "no", "n", "0")


class CommandLineError(UserError):
    """A command line that cannot be understood; scripts exit with 2."""


class Flags(absl_flags.FlagValues):
    """The flags of one command line; `flags.z_dim` reads one.

    It also keeps the defaults that all scripts share, for flags that are newer than a stored run:
    they had no effect in it, whatever the script's own default is now.
    """

    def __init__(self):
        super().__init__()
        self.__dict__["shared_defaults"] = {}


def parse(
    argv: Sequence[str],
    description: str | None,
    defaults: Mapping[str, object],
    define_more: Callable[[Flags], None] | None = None,
    unused: Sequence[str] = (),
) -> Flags:
    """Reads a script's command line.

    Args:
      argv: the words of the command line, the script's name first.
      description: the script's docstring, shown by `--help`.
      defaults: the script's own defaults of shared flags, for example `{"z_dim": 15}`.
      define_more: defines the flags that only this script has.
      unused: flags without effect in this script, which refuses any value but the default.

    Raises:
      CommandLineError: a word or value that is not understood, by name.
      SystemExit: after `--help`.
    """
    flags = Flags()
    _define_shared(flags)
    if define_more is not None:
        define_more(flags)
    for name in flags:
        flags.shared_defaults[name] = flags[name].default
    for name, default in defaults.items():
        flags.set_default(name, default)
    _read_words(argv, description, flags, unused)
    for name in FOLDERS:
        flags[name].value = expand_home(name, flags[name].value)
    if flags.resume and not flags.train:
        raise CommandLineError("--resume goes on with training: give --train too")
    if flags.epoch and flags.train:
        raise CommandLineError("--epoch loads a run as it was at that epoch: omit --train")
    if flags.train and "prior" in flags and flags.prior in priors.WITH_COMPONENTS:
        # Flag files may hold it: recipes, to which --prior is added, and the flags.txt of runs.
        if any(re.match(r"--?prior_stddev(=|$)", word) for word in argv[1:]):
            told = f"--prior_stddev has no effect on --prior={flags.prior}: omit it"
            raise CommandLineError(told)
    return flags


def parse_own(
    argv: Sequence[str], description: str | None, define: Callable[[Flags], None]
) -> Flags:
    """Reads the command line of a script that trains nothing and has flags of its own only.

    Args:
      argv: as for `parse`.
      description: as for `parse`.
      define: defines the flags.

    Raises:
      CommandLineError, SystemExit: as `parse`.
    """
    flags = Flags()
    define(flags)
    _read_words(argv, description, flags)
    return flags


def _read_words(
    argv: Sequence[str], description: str | None, flags: Flags, unused: Sequence[str] = ()
) -> None:
    """Sets the flags that the command line gives; raises as `parse`."""
    try:
        words = _without_former(flagfiles.expand(argv[1:]), flags)
        words = join_boolean_words(words, flags)
    except UserError as error:
        raise CommandLineError(str(error)) from None
    if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(words):
        print(_help(description, flags, unused))
        raise SystemExit(0)
    try:
        stray = flags([argv[0], *words])[1:]
    except absl_flags.Error as error:
        raise CommandLineError(_one_line(error)) from None
    if stray:
        raise CommandLineError(
            f"{stray[0][:100]!r} is not understood: every option is a flag such as --z_dim=2 "
            "(--help lists them)"
        )
    for name in unused:  # A run's flags.txt holds them too.
        if _is_changed(flags, name):
            raise CommandLineError(f"--{name} has no effect in this script: omit it")
    try:
        for name in flags:
            flagfiles.check_text(name, flags[name].value)
    except UserError as error:
        raise CommandLineError(str(error)) from None


def command_line(**settings: object) -> list[str]:
    """Returns the command line, as `parse` takes it, that sets these flags: for use from Python.

    A setting that is None is omitted: the flag keeps its default.
    """
    words = [os.path.basename(sys.argv[0])]
    for name, value in settings.items():
        if value is None:
            continue
        value = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
        words.append(f"--{name}={value}")
    return words


def boolean(flags: Flags, name: str, default: bool, meaning: str, group: str = OWN) -> None:
    """Defines a flag that is on or off; `--help` lists it under `group`."""
    absl_flags.DEFINE_boolean(name, default, meaning, flag_values=flags, module_name=group)


def integer(
    flags: Flags,
    name: str,
    default: int,
    meaning: str,
    group: str = OWN,
    least: int = 1,
    most: int = 10**9,
) -> None:
    """Defines a flag that is an integer from `least` to `most`."""
    absl_flags.DEFINE_integer(name, default, meaning, flag_values=flags, module_name=group)
    _must(name, lambda v: least <= v <= most, f"must be from {least} to {most}", flags)


def number(
    flags: Flags,
    name: str,
    default: float,
    meaning: str,
    group: str = OWN,
    least: float = 1e-12,
    most: float = 1e6,
) -> None:
    """Defines a flag that is a number above 0, from `least` to `most`."""
    absl_flags.DEFINE_float(name, default, meaning, flag_values=flags, module_name=group)
    told = f"must be a number above 0, from {least:g} to {most:g}"
    _must(name, lambda v: least <= v <= most, told, flags)


def nonnegative(
    flags: Flags, name: str, default: float, meaning: str, group: str = OWN, most: float = 1e6
) -> None:
    """Defines a flag that is a number from 0 to `most`."""
    absl_flags.DEFINE_float(name, default, meaning, flag_values=flags, module_name=group)
    told = f"must be a number of at least 0 and at most {most:g}"
    _must(name, lambda v: 0 <= v <= most, told, flags)


def fraction(flags: Flags, name: str, default: float, meaning: str, group: str = OWN) -> None:
    """Defines a flag that is a number from 0 up to, but not including, 1."""
    absl_flags.DEFINE_float(name, default, meaning, flag_values=flags, module_name=group)
    _must(name, lambda v: 0 <= v < 1, "must be a number of at least 0 and below 1", flags)


def string(flags: Flags, name: str, default: str | None, meaning: str, group: str = OWN) -> None:
    """Defines a flag that is any text."""
    absl_flags.DEFINE_string(name, default, meaning, flag_values=flags, module_name=group)


def choice(
    flags: Flags, name: str, default: str, choices: Sequence[str], meaning: str, group: str = OWN
) -> None:
    """Defines a flag that is one of several words, which `--help` lists before the meaning."""
    absl_flags.DEFINE_enum(name, default, choices, meaning, flag_values=flags, module_name=group)


def names(flags: Flags, name: str, meaning: str, group: str = OWN) -> None:
    """Defines a flag that is a list of words, comma-separated; none by default."""
    absl_flags.DEFINE_list(name, [], meaning, flag_values=flags, module_name=group)


def define_regularization(flags: Flags) -> None:
    """Defines the flags of codes that are fitted to a prior: how they are drawn, and its phases."""
    drawn = "gaussian: codes are drawn"
    choice(flags, "encoder", "deterministic", layers.ENCODERS, drawn, NETWORKS)
    group = "Regularization"
    choice(flags, "prior", "gaussian", priors.NAMES, "distribution of the codes", group)
    number(
        flags,
        "prior_stddev",
        5.0,
        "of a gaussian or uniform prior, in each dimension",
        group,
        least=1e-6,
    )
    number(flags, "discriminator_rate", 1.0, "the discriminator's, times the learning rate", group)
    number(
        flags, "generator_rate", 1.0, "the encoder's in this phase, times the learning rate", group
    )


def define_pixel_range(flags: Flags) -> None:
    """Defines the flag of networks whose pixels may also lie in [-1, 1]."""
    meaning = "of the encoder's input; -1,1: the decoder ends in tanh"
    choice(flags, "pixel_range", "0,1", layers.PIXEL_RANGES, meaning, NETWORKS)


def define_virtual_adversarial(flags: Flags) -> None:
    """Defines the flags of virtual adversarial training where it is an option."""
    radius = "of the virtual adversarial perturbation; 0: none"
    nonnegative(flags, "vat_radius", 0.0, radius)
    xi = "length of the random step that finds its direction, the paper's ξ"
    number(flags, "vat_xi", losses.XI, xi, least=1e-6)
    number(flags, "vat_weight", 1.0, "of the virtual adversarial loss beside the generator's")


def is_given(flags: Flags, name: str) -> bool:
    """Whether the flag stands on the command line or in a flag file."""
    return flags[name].present > 0


def _is_changed(flags: Flags, name: str) -> bool:
    """Whether the flag is given with another value than the script's default."""
    return is_given(flags, name) and flags[name].value != flags[name].default


def to_flagfile(flags: Flags, **replaced: object) -> list[str]:
    """Returns the lines of a flag file that makes the same run, in the order of their names.

    Flags that say what to do with a run (`ACTIONS`) are omitted.

    Args:
      flags: the command line's.
      **replaced: values in place of the flags' own, for example what `--dataset=auto` came to.
    """
    lines = []
    for name in sorted(flags):
        flag = copy.deepcopy(flags[name])
        flag.value = replaced.get(name, flag.value)
        if name not in ACTIONS and flag.value is not None:
            lines.append(flag.serialize())
    return lines


def adopt(flags: Flags, lines: Sequence[str], source: str) -> None:
    """Takes over the flags of a stored run, in place.

    Args:
      flags: the command line's, changed in place.
      lines: those of `to_flagfile`.
      source: where the lines stand, for messages.

    Raises:
      UserError: a flag that was given on the command line contradicts the stored one, or a stored
        flag is unknown or has a bad value.
    """
    if any(re.match(r"--?flagfile\b", line.strip()) for line in lines):
        raise UserError(f"{source} is damaged: a run's flags name no other --flagfile")
    stored = absl_flags.FlagValues()
    for name in flags:
        stored[name] = copy.deepcopy(flags[name])
        stored[name].default = flags.shared_defaults[name]
        stored[name].unparse()
    try:
        lines = [line for line in lines if line and not line.startswith("#")]
        stray = stored([source, *_without_former(lines, flags)])[1:]
    except absl_flags.Error as error:
        raise UserError(f"{source}: {_one_line(error)}") from None
    if stray:
        raise UserError(f"{source} is damaged: {one_line(stray[0], 80)} is no flag")
    for name in stored:
        if name in ACTIONS:
            continue
        given, kept = flags[name], stored[name]
        if name in FREE_TO_CHANGE and is_given(flags, name) and given.value != "auto":
            continue
        if is_given(flags, name) and given.value not in (kept.value, "auto"):
            raise UserError(
                f"{given.serialize()} contradicts the run, which has {kept.serialize()} "
                f"({source}): omit the flag, or start a new run"
            )
        given.value = kept.value


def _without_former(words: Sequence[str], flags: Flags) -> list[str]:
    """Omits flags that this script had once and that have no effect at the value given."""
    former = [f"--{name}={value}" for name, value in FORMER.items() if name not in flags]
    return [word for word in words if word not in former]


def check_prior(flags: Flags) -> None:
    """Checks the prior, where there is one; of a stored run, once its flags are taken over.

    Raises:
      CommandLineError: the prior needs another `--z_dim`.
    """
    if "prior" in flags:
        try:
            priors.make(flags.prior, flags.z_dim)
        except ValueError as error:
            raise CommandLineError(str(error)) from None


def exit_on_user_error(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a script: what the user can put right ends it with one line, not with a traceback.

    Exits with 2 after a `CommandLineError`, with 1 after any other `UserError`.
    """
    script = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    with screen.survive_closed_output():
        try:
            main(sys.argv)
        except UserError as error:
            print(f"{script}: {error}", file=sys.stderr)
            sys.exit(2 if isinstance(error, CommandLineError) else 1)
        except KeyboardInterrupt:  # Outside the training loop, which saves first.
            print(f"{script}: interrupted", file=sys.stderr)
            sys.exit(130)


def _define_shared(flags: Flags) -> None:
    group = "What to do"
    boolean(
        flags, "train", False, "train; without it the newest run is loaded and drawn again", group
    )
    boolean(
        flags, "resume", False, "with --train: go on with the newest run, to the same end", group
    )
    boolean(
        flags,
        "evaluate",
        False,
        "measure the run: a table on the screen, metrics.json in its folder",
        group,
    )
    integer(flags, "epoch", 0, "load this epoch; 0: the best or newest", group, least=0)
    boolean(flags, "generate", False, "draw a sheet of samples only", group)
    boolean(flags, "visualize", False, "draw codes and the manifold only (z_dim 2)", group)
    boolean(flags, "show", False, "open a window with each picture", group)
    choice(
        flags,
        "explorer",
        EXPLORERS[0],
        EXPLORERS,
        "weights in the run's explorer.html; none: no such page",
        group,
    )
    string(flags, "run", None, "the run's folder; the newest by default", group)
    string(flags, "results_dir", "Results", "folder of all runs", group)
    string(flags, "flagfile", "", "file with one flag a line", group)
    string(flags, "undefok", "", "names of flags that may be unknown", group)

    group = "Data"
    known = "auto, mnist, glyphs, a TFDS image data set, an .npz, or a folder of images by class"
    string(flags, "dataset", "auto", known, group)
    where = "folder of MNIST's .gz files, mnist.npz or TFDS' folders"
    string(flags, "data_dir", None, where, group)
    integer(flags, "n_images", 0, "train on the first N images; 0: all", group, least=0)
    boolean(flags, "streaming", False, "read training images from disk (TFDS, array_record)", group)
    size = "height and width to which images of a folder are scaled; 0: as they are"
    integer(flags, "image_size", 0, size, group, least=0, most=1024)

    group = NETWORKS
    integer(flags, "z_dim", 2, "dimensions of the latent code", group, most=MOST_UNITS)
    integer(flags, "n_l1", 1000, "units of the first hidden layer", group, most=MOST_UNITS)
    integer(flags, "n_l2", 1000, "units of the second hidden layer", group, most=MOST_UNITS)
    boolean(flags, "batch_norm", False, "batch normalization in the encoder", group)
    fraction(
        flags, "dropout", 0.0, "share of all networks' hidden units dropped in training", group
    )
    nonnegative(
        flags,
        "noise_stddev",
        0.0,
        "standard deviation of the noise on the encoder's input, in training",
        group,
    )
    choice(
        flags,
        "initializer",
        "normal",
        layers.INITIALIZERS,
        "initial weights; normal: N(0, 0.01²)",
        group,
    )

    group = "Training"
    integer(flags, "n_epochs", 1000, "passes over the training images", group)
    integer(flags, "batch_size", 100, "images in a step", group)
    choice(flags, "reconstruction_loss", "mse", losses.RECONSTRUCTION, "of each pixel", group)
    number(flags, "learning_rate", 0.001, "Adam's learning rate", group)
    drops = "epochs after which the rate falls to a tenth, such as 20,30"
    names(flags, "learning_rate_drops", drops, group)
    _must("learning_rate_drops", _are_epochs, "takes growing epochs such as 20,30", flags)
    fraction(flags, "beta1", 0.9, "Adam's beta1", group)
    ema = "decay of the exponential moving average of the weights; 0: off"
    fraction(flags, "ema_decay", 0.0, ema, group)
    seed = "of all random draws: the same seed makes the same run"
    integer(flags, "seed", 0, seed, group, least=0, most=2**63 - 1)
    choice(flags, "precision", "float32", PRECISIONS, "of the layers", group)
    among = "that share each batch; 0: all GPUs, or the CPU as one"
    integer(flags, "devices", 0, among, group, least=0, most=1024)
    wait = "seconds to wait at most for the other workers in TF_CONFIG"
    integer(flags, "wait", 300, wait, group, most=10**6)
    integer(flags, "keep_every", 0, "keep the checkpoint of every N epochs", group, least=0)


def _must(name: str, test: Callable, message: str, flags: Flags) -> None:
    absl_flags.register_validator(name, test, message=message, flag_values=flags)


def _are_epochs(words: Sequence[str]) -> bool:
    if not all(word.strip().isdecimal() and len(word) < 10 for word in words):
        return False
    epochs = [int(word) for word in words]
    return all(a < b for a, b in zip([0, *epochs], epochs, strict=False))


def expand_home(name: str, path: str | None) -> str | None:
    """Returns the path that a flag gives, with the home folder in place of `~`.

    Raises:
      CommandLineError: it is the home folder of somebody who is not here.
    """
    expanded = path and os.path.expanduser(path)
    if expanded and expanded.startswith("~"):
        raise CommandLineError(f"--{name}={path}: there is no such user; ./~ means a folder ~")
    return expanded


def join_boolean_words(words: list[str], flags: Flags) -> list[str]:
    """Turns `--train True` into `--train=true`: readers type what the articles print."""
    joined = []
    for word in words:
        previous = joined[-1].lstrip("-") if joined and joined[-1].startswith("-") else ""
        is_boolean = previous in flags and flags[previous].boolean
        if is_boolean and word.lower() in _TRUE_WORDS:
            joined[-1] = f"--{previous}=true"
        elif is_boolean and word.lower() in _FALSE_WORDS:
            joined[-1] = f"--{previous}=false"
        else:
            joined.append(word)
    return joined


def _one_line(error: absl_flags.Error) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 300 else f"{line[:150]} … {line[-120:]}"


def _help(description: str | None, flags: Flags, unused: Sequence[str]) -> str:
    lines = [(description or "").strip()]  # `python -OO` drops docstrings.
    omitted = {"undefok", *unused} | ({"generate"} if "prior" not in flags else set())
    for group, own in flags.flags_by_module_dict().items():
        lines += ["", f"{group}:"]
        for flag in own:
            if flag.name in omitted:
                continue
            default = (flag.default_as_str or "none").strip("'")
            lines += textwrap.wrap(
                f"{flag.help} (default: {default})",
                width=100,
                initial_indent=f"  --{flag.name:<26} ",
                subsequent_indent=" " * 31,
            )
    return "\n".join(lines)
