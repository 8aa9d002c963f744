"""Takes pictures of a run's explorer.html, and a moving one of someone drawing a 7 on it.

    python docs/draw_explorer.py Results/Supervised/<run>
        writes explorer_<part>.png and, where one can draw, explorer_<part>.gif into docs/images/
    python docs/draw_explorer.py --example Results/Supervised/<run>
        writes docs/explorer.html: the run's page (its script writes it with --explorer=int8)
    python docs/draw_explorer.py --example docs/explorer.html
        the same of the example itself: its networks, with today's code around them

It presses and moves the pointer in a headless Chromium (see `screenshots.py`), as a reader does,
and says how many times a second the page has new images.
"""

import argparse
import json
import pathlib
import re
import time

import screenshots
from PIL import Image, ImageColor

EXAMPLE = pathlib.Path(__file__).parent / "explorer.html"
EXAMPLE_BYTES = 5_000_000  # At most.
WIDTH, HEIGHT = 1120, 1040  # Of the window, for the picture.
GIF_WIDTH, GIF_COLOURS, FRAME_MS = 800, 48, 80
# A seven in one stroke, in shares of the drawing area.
SEVEN = [[(0.26, 0.27), (0.5, 0.25), (0.74, 0.26), (0.64, 0.48), (0.5, 0.66), (0.42, 0.86)]]


# Counts the pictures that are shown while a pointer moves in each frame, and then those that the
# worker makes one after the other. Events of the browser itself would wait for their turn outside.
MEASURE_RATES = """
const canvas = document.getElementById(aae.description.view === 'map' ? 'map-canvas' : 'pad');
const box = canvas.getBoundingClientRect();
canvas.setPointerCapture = () => {};
const point = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind,
  { clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
let shown = 0;
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...inputs) {
  shown += ['decoded', 'reconstruction'].includes(this.canvas.id);
  return put.apply(this, inputs);
};
point('pointerdown', 0.8, 0.5);
const begin = performance.now();
const move = () => {
  const time = (performance.now() - begin) / 1000;
  point('pointermove', 0.5 + 0.3 * Math.cos(6 * time), 0.5 + 0.3 * Math.sin(5 * time));
  if (time < seconds) requestAnimationFrame(move);
  else {
    point('pointerup', 0.5, 0.5);
    work(shown / time, performance.now(), 0);
  }
};
const work = async (shownEachSecond, begin, made) => {
  const code = Array.from({ length: aae.description.zDim }, () => 2 * Math.random() - 1);
  await aae.decodeAll(code);
  const time = (performance.now() - begin) / 1000;
  if (time < seconds) work(shownEachSecond, begin, made + 1);
  else window.rates = [shownEachSecond, (made + 1) / time];
};
move();
"""

# The same of a page of swaps: while z moves by itself, and while its slider does in each frame.
MEASURE_SWAPS = """
let shown = 0;
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...inputs) {
  shown += this.canvas.id === 'swap';
  return draw.apply(this, inputs);
};
const [play, slider] = ['play', 'position'].map((id) => document.getElementById(id));
const rate = (begin) => 1000 * shown / (performance.now() - begin);
play.click();
const begin = performance.now();
setTimeout(() => {
  const playing = rate(begin);
  play.click();
  shown = 0;
  const second = performance.now();
  const move = () => {
    slider.value = (slider.valueAsNumber + 1) % slider.max;
    slider.dispatchEvent(new Event('input'));
    if (performance.now() < second + 1000 * seconds) requestAnimationFrame(move);
    else window.rates = [playing, rate(second)];
  };
  move();
}, 1000 * seconds);
"""


class Page(screenshots.Browser):
    """An explorer page in a browser, with a pointer."""

    GRAPHICS = ("--disable-gpu",)

    def show(
        self, path: pathlib.Path, width: int = WIDTH, height: int = HEIGHT, dark: bool = False
    ) -> None:
        """Opens a page by its path, in a window of this size, and waits until it has images."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto("about:blank")
        self.page.goto(path.resolve().as_uri())
        # Every image that is seen, or the line that says what is wrong.
        self.wait_for(
            "const problem = document.getElementById('problem');"
            "const seen = [...document.querySelectorAll('figure canvas')].filter((c) => "
            "c.offsetParent); return problem && (!problem.hidden || "
            "seen.length > 0 && seen.every((c) => c.width !== 300))"
        )

    def place(self, name: str) -> tuple[float, float, float, float]:
        """Returns left, top, width and height of an element, by its id."""
        box = f"document.getElementById('{name}').getBoundingClientRect()"
        return tuple(self.evaluate(f"const b = {box}; return [b.left, b.top, b.width, b.height]"))

    def draw(self, strokes=SEVEN, steps: int = 6):
        """Draws strokes, given in shares of the drawing area; yields after each movement."""
        left, top, width, height = self.place("pad")
        for stroke in strokes:
            places = [(left + x * width, top + y * height) for x, y in stroke]
            self.page.mouse.move(*places[0])
            self.page.mouse.down()
            for (x0, y0), (x1, y1) in zip(places, places[1:], strict=False):
                for k in range(1, steps + 1):
                    self.page.mouse.move(x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps)
                    yield
            self.page.mouse.up()
            yield

    def rates(self, seconds: float = 4) -> tuple[float, float]:
        """Returns how many times a second the page shows new images while the pointer moves, and
        how often the worker could make them; of swaps, while z moves and while its slider does."""
        is_swaps = self.evaluate("return aae.description.view === 'swaps'")
        self.evaluate(f"const seconds = {seconds}; {MEASURE_SWAPS if is_swaps else MEASURE_RATES}")
        return tuple(self.wait_for("return window.rates"))


def example(page: str) -> str:
    """Returns a page with the same networks and today's template and code.

    Raises:
      SystemExit: its weights are not int8, or it is too large for the documentation.
    """
    description, weights = (
        re.search(rf'<script id="{name}"[^>]*>(.*?)</script>', page, re.DOTALL)[1]
        for name in ("description", "weights")
    )
    from adversarial_autoencoder.explorer.page import fill  # Takes seconds: TensorFlow.

    described = json.loads(description)
    if described["kind"] != "int8" or len(page) > EXAMPLE_BYTES:
        raise SystemExit(
            f"this page has {len(page) / 1e6:.1f} MB, its weights in {described['kind']}; the "
            f"example's are int8 (--explorer=int8), {EXAMPLE_BYTES / 1e6:.0f} MB at most"
        )
    return fill(described, weights)


def moving_picture(page: Page) -> list[Image.Image]:
    """Draws a seven and returns what drawing area and images look like meanwhile."""
    page.evaluate(
        "document.getElementById('clear').click();"
        "document.querySelectorAll('.buttons').forEach((e) => e.style.visibility = 'hidden')"
    )
    heading, tiles, pad = (page.place(name) for name in ("source-title", "tiles", "pad"))
    top, bottom = heading[1] - 12, max(box[1] + box[3] for box in (tiles, pad)) + 12
    region = (heading[0] - 12, top, tiles[0] + tiles[2] + 12, bottom)

    def frame():
        return page.screenshot().crop(tuple(round(side) for side in region))

    frames = [frame()] * 8
    for _ in page.draw(steps=4):
        time.sleep(0.06)  # The images follow the pointer by as much.
        frames.append(frame())
    time.sleep(0.3)
    frames += [frame()] * 25
    page.evaluate("document.querySelectorAll('.buttons').forEach((e) => e.style.visibility = '')")
    return frames


def save_gif(frames: list[Image.Image], path: pathlib.Path, accent: str) -> None:
    """Writes frames as a GIF, all with the colours of the last, and the accent's among them."""
    height = GIF_WIDTH * frames[0].height // frames[0].width
    small = [frame.resize((GIF_WIDTH, height), Image.Resampling.LANCZOS) for frame in frames]
    colours = small[-1].copy()
    colours.paste(ImageColor.getrgb(accent), (0, 0, GIF_WIDTH, height // 8))
    palette = colours.quantize(GIF_COLOURS, dither=Image.Dither.NONE)
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    small[0].save(path, save_all=True, append_images=small[1:], duration=FRAME_MS, loop=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=pathlib.Path, help="the run's folder, or a page of it")
    parser.add_argument("--name", help="in place of the model's name, in the files' names")
    images = pathlib.Path(__file__).parent / "images"
    parser.add_argument("--to", type=pathlib.Path, default=images, help="folder of the files")
    parser.add_argument("--rate", action="store_true", help="only measure how fast it is")
    parser.add_argument("--example", action="store_true", help="only write docs/explorer.html")
    words = parser.parse_args()
    path = words.run if words.run.is_file() else words.run / "explorer.html"
    if not path.is_file():
        raise SystemExit(f"{words.run} has no explorer.html: load the run with its script first")
    if words.example:
        EXAMPLE.write_text(example(path.read_text(encoding="utf-8")), encoding="utf-8")
        return
    if screenshots.chromium() is None:
        raise SystemExit(screenshots.NO_CHROMIUM)
    with Page() as page:
        page.show(path)
        shown, made = page.rates()
        moves, alone = "the pointer moves", "the networks alone"
        if page.evaluate("return aae.description.view === 'swaps'"):
            moves, alone = "z moves", "with the slider"
        print(
            f"{path.stat().st_size / 1e6:.2f} MB; while {moves}, new images {shown:.0f} "
            f"times a second; {alone} {made:.0f} times a second"
        )
        if words.rate:
            return
        page.show(path)  # As it was.
        name = words.name or page.evaluate("return aae.description.model.toLowerCase()")
        name = name.replace(" ", "_")
        if page.evaluate("return aae.description.view === 'styles' && !!aae.description.drawing"):
            accent = page.evaluate(
                "return getComputedStyle(document.documentElement).getPropertyValue('--chosen')"
            )
            save_gif(moving_picture(page), words.to / f"explorer_{name}.gif", accent.strip())
            print(words.to / f"explorer_{name}.gif")
        picture = page.settled().quantize(dither=Image.Dither.NONE)
        picture.save(words.to / f"explorer_{name}.png", optimize=True)
        print(words.to / f"explorer_{name}.png")


if __name__ == "__main__":
    main()
