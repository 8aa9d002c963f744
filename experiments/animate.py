"""One character driven by another: each frame's pose from the driver, the looks from a picture.

The networks are those of a run of `disentangling_factors.py`. Each frame of the driver is encoded
to z and decoded with the s of each character; the animation has the driver above and the characters
below.

    python experiments/animate.py --driver=walk/front --character=3,17
    python experiments/animate.py --driver=dance.gif --character=me.png --output=me_dancing.gif
    python experiments/animate.py --driver=webcam --character=me.png --show

A driver is a GIF, a folder of pictures, a video file, the webcam (these two by OpenCV: pip install
-e '.[video]'), or an action of a test character in a data set of `compose_sprites.py`, such as
walk/front. A character is a picture, or a test character's number, from 0.
"""

import contextlib
import csv
import os
import pathlib

from adversarial_autoencoder import datasets, options, runs
from adversarial_autoencoder.datasets import folders, image_files, sources, sprites
from adversarial_autoencoder.pictures import animation, png
from adversarial_autoencoder.system.errors import UserError, one_line

import numpy as np

MODEL = "Disentangling"


class Characters:
    """The test characters of the run's data set, read when they are first asked for."""

    def __init__(self, run, dataset):
        lines = [line.removeprefix("--").partition("=") for line in run.flag_lines()]
        kept = {name: value for name, _, value in lines}
        self.name = dataset or kept.get("dataset", "auto")
        self.where = {"data_dir": kept.get("data_dir"), "by_identity": True}
        is_folder = sources.find(kept.get("dataset", "auto")) is folders.load
        # Images in other data sets have their ground already, most of them black.
        self.ground = kept.get("ground", "white") if is_folder else "black"
        self.run = run if dataset in (None, kept.get("dataset")) else None
        if self.run:
            self.where["unseen"] = next(csv.reader([kept.get("unseen", "")]), [])
            self.where["ground"] = kept.get("ground", "white")
            for name in ("image_size", "n_images"):
                value = kept.get(name, "0")
                if not value.isdecimal() or len(value) > 9:
                    told = f"--{name}={one_line(value, 80)} is no number of images or pixels"
                    raise UserError(f"{run.flagfile} is damaged: {told}")
                self.where[name] = int(value)
        self.split = None

    def of(self, number):
        """The pictures of a test character, those that show the most of it first."""
        if self.split is None:
            data = datasets.load(self.name, **self.where)
            if self.run:
                runs.check_data(self.run, data)
            self.split = data.test
        labels = np.unique(self.split.labels)
        if number >= len(labels):
            raise UserError(
                f"there is no test character {number}: {self.name} has 0 to {len(labels) - 1}"
            )
        return self.split[self.split.labels == labels[number]]

    def picture(self, number):
        """The picture that stands for a character: the first that shows all of its attributes."""
        pictures = self.of(number)
        shown = np.zeros(len(pictures), int)
        for visible in pictures.visible.values():
            shown += visible
        return pictures.images[np.argmax(shown)]

    def sequence(self, number, action, direction):
        """The frames of an action, seen from one side, in their order."""
        pictures = self.of(number)
        if set(pictures.pose) != set(sprites.POSE):
            raise UserError(f"{self.name} has no actions: compose it with compose_sprites.py")
        wanted = sprites.ACTIONS.index(action), sprites.DIRECTIONS.index(direction)
        rows = (pictures.pose["action"] == wanted[0]) & (pictures.pose["direction"] == wanted[1])
        if not rows.any():
            raise UserError(f"{self.name} has no {action}/{direction} of test character {number}")
        order = np.argsort(pictures.pose["frame"][rows], kind="stable")
        return as_colours(pictures.images[rows][order])


def as_colours(images):
    return images if images.shape[-1] == 3 else images.repeat(3, axis=-1)


def frames_of(driver, characters, number, ground):
    """The driver's frames: of a test character's action, or of what lies in a file."""
    action, slash, direction = driver.partition("/")
    if action in sprites.ACTIONS and not os.path.exists(driver):
        direction = direction if slash else "front"
        if direction not in sprites.DIRECTIONS:
            raise UserError(
                f"--driver={driver}: directions are {', '.join(sprites.DIRECTIONS)}, as in "
                f"{action}/front"
            )
        return characters.sequence(number, action, direction)
    return animation.driver_frames(options.expand_home("driver", driver), ground)


def picture_of(character, characters, ground):
    if character.isdecimal() and not os.path.exists(character):
        return as_colours(characters.picture(int(character[:9]))[np.newaxis])[0]
    path = options.expand_home("character", character)
    if not os.path.isfile(path):
        raise UserError(
            f"--character={character} does not exist: give a picture or a test character's number"
        )
    return animation.read_picture(path, ground)


def define_flags(flags):
    options.string(flags, "driver", None, "what moves; see above")
    options.names(flags, "character", "who is moved: pictures, or numbers of test characters")
    options.string(flags, "output", "animation.gif", "the GIF; the strip is a PNG beside it")
    options.boolean(flags, "show", False, "show it in a window while it is drawn")
    options.integer(flags, "n_frames", 0, "stop after the first N frames; 0: all", least=0)
    options.integer(flags, "driver_character", 0, "test character that does the action", least=0)
    options.number(flags, "frame_rate", 8.0, "of the GIF, frames a second", least=0.1, most=50)
    options.integer(flags, "scale", 3, "enlarges the GIF", most=20)
    behind = "behind transparent pictures; as in the run's images by default"
    options.choice(flags, "ground", None, image_files.GROUNDS, behind)
    options.string(flags, "dataset", None, "of test characters; the run's by default")
    options.string(flags, "run", None, "the run's folder; the newest by default")
    options.string(flags, "results_dir", "Results", "folder of all runs")


def main(argv):
    flags = options.parse_own(argv, __doc__, define_flags)
    if not flags.driver or not flags.character:
        missing = "character" if flags.driver else "driver"
        raise UserError(f"--{missing} is missing (--help has examples)")
    output = pathlib.Path(options.expand_home("output", flags.output))
    if output.suffix.lower() != ".gif" or not os.path.isdir(output.parent):
        raise UserError(f"--output={output} must be a .gif in a folder that is there")
    where = (options.expand_home(name, flags[name].value) for name in ("results_dir", "run"))
    results_dir, path = where
    run = runs.find(results_dir, MODEL, path)
    animator = animation.Animator(*run.load())
    characters = Characters(run, options.expand_home("dataset", flags.dataset))
    ground = flags.ground or characters.ground
    for character in flags.character:
        animator.add_character(picture_of(character, characters, ground))
    frames = frames_of(flags.driver, characters, flags.driver_character, ground)
    drivers, drawn = animate(animator, frames, flags.n_frames, flags.show)

    animated = [animation.beside(*both) for both in zip(drivers, drawn, strict=True)]
    animation.save_gif(output, animated, flags.frame_rate, flags.scale)
    strip = output.with_suffix(".png")
    png.save_png(strip, animation.strip(drivers, drawn))
    rate = animator.n_frames / animator.seconds
    print(
        f"{animator.n_frames} frames of {len(flags.character)} characters: {rate:.0f} frames a "
        f"second, from frame in to pictures out"
    )
    print(f"Written: {output} and {strip}")


def animate(animator, frames, n_frames, show):
    """Draws frame after frame, until the driver or `n_frames` ends, or the window is closed."""
    drivers, drawn = [], []
    still = contextlib.nullcontext(lambda picture: True)
    with animation.window("animation") if show else still as is_open:
        try:
            for frame in frames:
                driver, pictures = animator.draw(frame)
                drivers.append(driver)
                drawn.append(pictures)
                if len(drivers) == n_frames or not is_open(animation.beside(driver, pictures)):
                    break
        except KeyboardInterrupt:  # A camera never ends.
            if not drivers:
                raise
    return drivers, drawn


if __name__ == "__main__":
    options.exit_on_user_error(main)
