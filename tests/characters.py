"""Composed characters in every pose, whose attributes are pixels, as a data set."""

from adversarial_autoencoder import datasets

import numpy as np

N_ACTIONS, N_FRAMES = 3, 2


def pictures(characters):
    """Of each character all poses: one pixel as bright as the hat, one as the action, and so on.

    Frame 0 of the actions 0 and 1 looks alike, and in action 2 the hat cannot be seen.
    """
    character, action, frame = (
        values.ravel()
        for values in np.meshgrid(characters, range(N_ACTIONS), range(N_FRAMES), indexing="ij")
    )
    hat = character % 2
    x = np.zeros([len(hat), 4, 4, 1], np.uint8)
    x[:, 0, 0, 0] = 100 * (hat + 1) * (action != 2)
    x[:, 0, 1, 0] = np.where((frame == 0) & (action < 2), 0, 60 * (action + 1))
    x[:, 1, 0, 0] = 80 * frame
    x[:, 1, 1, 0] = 10 * character
    return datasets.Split(
        x,
        character.astype(np.int32),
        factors={"hat": hat},
        pose={"action": action, "frame": frame},
        visible={"hat": action != 2},
    )


def data_set():
    """Six characters to train on, four others to test on."""
    train, test = pictures(np.arange(6)), pictures(np.arange(6, 10))
    return datasets.Dataset("fake", train, train, test, 6, tuple(map(str, range(10))))
