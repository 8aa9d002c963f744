"""Composes game characters from layer sheets into an .npz for `disentangling_factors.py`.

The sheets are those of the Liberated Pixel Cup as Li and Mandt collected them (2018). Each
character is one body, trousers, shirt, hair and eyes; training and test characters are others.

    git clone https://github.com/YingzhenLi/Sprites
    python experiments/compose_sprites.py --sheets=Sprites --output=sprites.npz

The folder has `body/`, `shoes/`, `bottomwear/`, `topwear/`, `eyes/` and `hair/`, with a PNG for
each sheet. Every picture has its character (`y_*`), attributes (`factors_*`), which of them it
shows (`visible_*`), and its action, direction and frame (`pose_*`).
"""

import os
import pathlib

from adversarial_autoencoder import options
from adversarial_autoencoder.datasets import sprites
from adversarial_autoencoder.system.errors import UserError


def define_flags(flags):
    options.string(flags, "sheets", None, "folder of the layer sheets")
    options.string(flags, "output", "sprites.npz", "the file to write")
    options.integer(flags, "n_characters", 500, "characters to train on")
    options.integer(flags, "n_test_characters", 100, "others to test on, in all of their poses")
    options.integer(flags, "n_poses", 0, "poses of each training character; 0: all", least=0)
    options.names(flags, "actions", f"any of {', '.join(sprites.ACTIONS)}; all by default")
    options.integer(flags, "seed", 0, "seed of characters and poses", least=0, most=2**63 - 1)


def main(argv):
    flags = options.parse_own(argv, __doc__, define_flags)
    if not flags.sheets:
        raise UserError("--sheets is missing: give the folder of the layer sheets")
    output = pathlib.Path(options.expand_home("output", flags.output))
    if output.suffix != ".npz":
        raise UserError(f"--output={output} must end in .npz")
    if not os.path.isdir(output.parent):
        raise UserError(f"--output={output}: there is no folder {output.parent}")
    sheets = sprites.Sheets(options.expand_home("sheets", flags.sheets))
    n, n_test = flags.n_characters, flags.n_test_characters
    characters = sprites.draw_characters(sheets, n + n_test, flags.seed)
    # Test characters first, so that they are the same however many are trained on.
    actions = flags.actions or sprites.ACTIONS
    poses = {"n_poses": flags.n_poses, "seed": flags.seed, "actions": actions}
    train = sprites.compose(sheets, characters[n_test:], first=n_test, **poses)
    test = sprites.compose(sheets, characters[:n_test], actions=actions)
    sprites.save(output, train, test)
    for name, pictures, count in (("training", train, n), ("test", test, n_test)):
        print(f"{len(pictures.images)} {name} pictures of {count} characters")
    print(f"written to {output}")


if __name__ == "__main__":
    options.exit_on_user_error(main)
