"""Running a network over many images or codes, batch by batch.

Images are uint8 [n, height, width, channels] or flat float [n, input_dim] in [0, 1], whichever is
at hand.
"""

from collections.abc import Callable

import numpy as np


def encode(encode_batch: Callable, images: np.ndarray, batch_size: int = 1000) -> np.ndarray:
    """Returns the codes of the images, float32 [n, z_dim].

    `encode_batch` takes flat float32 images [batch, input_dim] in [0, 1] to codes [batch, z_dim].
    """
    return generate(lambda part: encode_batch(pixels(part)), images, batch_size=batch_size)


def generate(decode: Callable, *inputs: np.ndarray, batch_size: int = 1000) -> np.ndarray:
    """Returns the output of `decode` for all inputs, float32 [n, ...].

    Args:
      decode: called with a slice of every input; returns one row for each of the slice.
      inputs: arrays [n, ...], n ≥ 1: codes alone, or codes and labels in the order that `decode`
        takes.
      batch_size: rows at a time.
    """
    parts = [
        np.asarray(decode(*(values[i : i + batch_size] for values in inputs)), np.float32)
        for i in range(0, len(inputs[0]), batch_size)
    ]
    return np.concatenate(parts)


def classify(classify_batch: Callable, images: np.ndarray) -> np.ndarray:
    """Returns the predicted label of each image, int64 [n].

    `classify_batch` gives class probabilities or logits, as `encode_batch` gives codes.
    """
    return np.argmax(encode(classify_batch, images), axis=1)


def pixels(images: np.ndarray) -> np.ndarray:
    """Returns images as the networks take them: flat float32 [n, input_dim] in [0, 1]."""
    flat = np.asarray(images).reshape(len(images), -1)
    return flat / np.float32(255) if flat.dtype == np.uint8 else flat.astype(np.float32)
