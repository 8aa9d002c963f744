"""One character driven by another: frames of a driver in, the same frames of other characters out.

A driver is an iterator of frames, uint8 [height, width, 3] of any size. Pictures are of the model's
size, uint8 [height, width, channels].
"""

import contextlib
import io
import os
import pathlib
import re
import time
from collections.abc import Callable, Iterable, Iterator

from adversarial_autoencoder import inference
from adversarial_autoencoder.datasets import image_files
from adversarial_autoencoder.pictures import grids, png
from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError

import keras
import numpy as np
import tensorflow as tf

WEBCAM = re.compile(r"webcam(?::(\d{1,3}))?")
GAP = 2  # Pixels between pictures.
MAX_STRIP = 100  # Frames of a strip.
DRIVERS = "give a GIF, a folder of pictures, a video file, webcam, or an action as walk/front"


def driver_frames(driver: str, ground: str = image_files.GROUNDS[0]) -> Iterator[np.ndarray]:
    """Yields the frames of a driver, in their order.

    Args:
      driver: the path of a GIF or other picture, a folder of pictures (by name, 2 before 10), a
        video file, or `webcam` (`webcam:1` is the second one). The last two need OpenCV.
      ground: the colour behind what is transparent, `white` or `black`.

    Raises:
      UserError: it cannot be read, or has no frames; also while frames are taken.
    """
    n, frames = 0, _open(driver, ground)
    for frame in frames:
        n += 1
        yield frame
    if not n:
        raise UserError(f"{driver} has no frames")


def read_picture(path: str | os.PathLike, ground: str = image_files.GROUNDS[0]) -> np.ndarray:
    """Returns a picture, its first frame if it has several, uint8 [height, width, 3].

    Raises:
      UserError: it cannot be read.
    """
    return next(_picture_frames(path, ground))


def fit(frame: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Cuts a frame, uint8 [height, width, 3], to the proportions of `shape`, and scales it to that.

    With one channel, its brightness is kept.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    if frame.shape == shape:
        return frame
    image = Image.fromarray(frame)
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BOX)
    if channels == 1:
        return np.asarray(image.convert("L"))[..., np.newaxis]
    return np.asarray(image)


class Animator:
    """Draws characters in the pose of a frame: z from the frame, s from each character's picture.

    Attributes:
      shape: height, width and channels of the model's images.
      n_frames: how many it has drawn.
      seconds: how long that took, from each frame to its pictures.
    """

    def __init__(self, encoder: keras.Model, decoder: keras.Model):
        """Takes the exported networks of `experiments/disentangling_factors.py`.

        Raises:
          UserError: they are others.
        """
        reshape = [layer for layer in encoder.layers if isinstance(layer, keras.layers.Reshape)]
        shape = tuple(reshape[0].target_shape) if reshape else ()
        if len(shape) != 3 or len(encoder.outputs) != 3 or len(decoder.inputs) != 2:
            raise UserError("the run has no encoder of s and z: train disentangling_factors.py")
        self.shape, self.n_frames, self.seconds = shape, 0, 0.0
        self._encoder, self._decoder = encoder, decoder
        self._s = tf.zeros([0, encoder.outputs[0].shape[1]])
        self._step = tf.function(self._draw, reduce_retracing=True)

    def add_character(self, picture: np.ndarray) -> np.ndarray:
        """Takes s from a picture, uint8 of any size; returns the picture in the model's size."""
        picture = fit(picture, self.shape)
        s = self._encoder(_as_input(picture), training=False)[0]
        self._s = tf.concat([self._s, s], 0)
        self._step(_as_input(picture), self._s)  # Traced now, and not in the first frame's time.
        return picture

    def draw(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draws all characters as the frame shows the driver.

        Returns:
          The frame in the model's size, and the pictures, uint8 [n_characters, *shape].
        """
        start = time.perf_counter()
        frame = fit(frame, self.shape)
        x = self._step(_as_input(frame), self._s).numpy()
        pictures = grids.as_uint8(x.reshape(-1, *self.shape))
        self.seconds += time.perf_counter() - start
        self.n_frames += 1
        return frame, pictures

    def _draw(self, x: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        z = self._encoder(x, training=False)[1]
        return self._decoder([s, tf.repeat(z, tf.shape(s)[0], axis=0)], training=False)


def beside(frame: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Lays out one frame of the animation: the driver above, the characters in a row below."""
    below = grids.grid(pictures, len(pictures), GAP)
    above = np.zeros((frame.shape[0] + GAP, *below.shape[1:]), np.uint8)
    left = (below.shape[1] - frame.shape[1]) // 2
    above[: frame.shape[0], left : left + frame.shape[1]] = frame
    return np.concatenate([above, below])


def strip(frames: Iterable[np.ndarray], pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Lays out the first `MAX_STRIP` frames from left to right: the driver above, a row for each
    character below, whose `pictures` are uint8 [n_characters, height, width, channels] a frame."""
    rows = np.concatenate(
        [
            np.stack(list(frames)[:MAX_STRIP])[np.newaxis],
            np.stack(list(pictures)[:MAX_STRIP], axis=1),
        ]
    )
    return grids.grid(rows.reshape(-1, *rows.shape[2:]), rows.shape[1], GAP)


def save_gif(
    path: str | os.PathLike, frames: list[np.ndarray], frame_rate: float, scale: int
) -> None:
    """Writes an animation that repeats for ever, whole or not at all.

    A frame that equals the one before it is stored as a longer one.

    Frames are uint8 [height, width, 1 or 3], all of one size; `scale` draws each pixel as a square
    of this many.

    Raises:
      UserError: the file cannot be written.
    """
    from PIL import Image

    images = []
    for frame in frames:
        large = frame.repeat(scale, axis=0).repeat(scale, axis=1)
        image = Image.fromarray(large[..., 0] if large.shape[2] == 1 else large)
        images.append(image.quantize(256, dither=Image.Dither.NONE))
    buffer = io.BytesIO()
    duration = max(round(100 / frame_rate), 2) * 10  # GIFs count hundredths, and players 2 or more.
    images[0].save(
        buffer, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0
    )
    with files.saving(pathlib.Path(path)):
        files.write_atomically(pathlib.Path(path), buffer.getvalue())


@contextlib.contextmanager
def window(title: str) -> Iterator[Callable[[np.ndarray], bool]]:
    """Opens a window, and closes it in the end; says so if there is no display.

    Yields:
      A function that shows a picture, uint8 [height, width, 1 or 3], and returns whether the window
      is still open.
    """
    from matplotlib import pyplot as plt

    if not png.opens_windows():
        print("--show: no display to open a window on; see the GIF instead.")
        yield lambda picture: True
        return
    figure, axes = plt.subplots(num=title, layout="constrained")
    axes.set_axis_off()
    shown = []

    def show(picture: np.ndarray) -> bool:
        if not shown:
            shown.append(axes.imshow(picture, cmap="gray", vmin=0, vmax=255))
        shown[0].set_data(picture)
        plt.pause(0.001)
        return plt.fignum_exists(figure.number)

    try:
        yield show
    finally:
        plt.close(figure)


def _as_input(picture: np.ndarray) -> tf.Tensor:
    return tf.constant(inference.pixels(picture[np.newaxis]))


def _open(driver: str, ground: str) -> Iterator[np.ndarray]:
    camera = WEBCAM.fullmatch(driver)
    if camera and not os.path.exists(driver):
        return _video_frames(driver, int(camera[1] or 0))
    path = pathlib.Path(driver)
    if os.path.isdir(path):
        return _folder_frames(path, ground)
    if not os.path.isfile(path):
        raise UserError(f"{driver} does not exist: {DRIVERS}")
    if path.suffix.lower() in image_files.ENDINGS:
        return _picture_frames(driver, ground)
    return _video_frames(driver)


def _folder_frames(folder: pathlib.Path, ground: str) -> Iterator[np.ndarray]:
    paths = [path for path in folder.iterdir() if path.suffix.lower() in image_files.ENDINGS]
    if not paths:
        raise UserError(f"{folder} holds no pictures ({', '.join(image_files.ENDINGS)})")
    for path in sorted(paths, key=_natural):
        yield read_picture(path, ground)


def _natural(path: pathlib.Path) -> list[tuple[int, str]]:
    """A key by which frame2 comes before frame10."""
    parts = re.split(r"([0-9]+)", path.name)  # Text and numbers in turn.
    return [(int(part), "") if k % 2 else (0, part) for k, part in enumerate(parts)]


def _picture_frames(path: str | os.PathLike, ground: str) -> Iterator[np.ndarray]:
    for pixels, _ in image_files.frames(path, ground):
        yield np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def _video_frames(driver: str, source: int | None = None) -> Iterator[np.ndarray]:
    """Frames of a video file, or of the camera of number `source` until it ends."""
    try:
        import cv2
    except ImportError:
        raise UserError(
            f"{driver}: videos and cameras are read by OpenCV, which is not installed: "
            f"pip install opencv-python-headless, or give a GIF or a folder of pictures"
        ) from None
    capture = cv2.VideoCapture(driver if source is None else source)
    try:
        if not capture.isOpened():
            what = "is no video that OpenCV can read" if source is None else "gives no pictures"
            raise UserError(f"{driver} {what}: {DRIVERS}")
        while True:
            there, frame = capture.read()
            if not there:
                return
            yield np.ascontiguousarray(frame[..., ::-1])  # OpenCV has blue first.
    finally:
        capture.release()
