"""Takes the pictures of TensorBoard that the pages of this folder show, of a run of that part.

    python docs/screenshots.py part2 Results/Adversarial_Autoencoder/<run>
        writes docs/images/tensorboard_part2_scalars.png and tensorboard_part2_histograms.png
    python docs/screenshots.py runs Results
        writes tensorboard_runs_scalars.png, of all runs in it

`serve` and `Browser` serve the tests as well. The browser is a headless Chromium (on Debian the
package `chromium`), driven by Playwright, which can install one too: `playwright install chromium`.
"""

import argparse
import contextlib
import functools
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
NO_CHROMIUM = "no Chromium found: pip install playwright; playwright install chromium"
WIDTH, HEIGHT = 1280, 860  # Of the window, in pixels; higher where a picture is.
SMOOTH = "&_smoothingWeight=0.9"
# Of each part: TensorBoard's page, the tags to show there, and how far down the picture goes.
SHOTS = {
    "part1": (("histograms", ".", 455), ("projector", "", 860)),
    "part2": (("scalars", "Loss" + SMOOTH, 770), ("histograms", ".", 455)),
    "part3": (("images", "styles", 720), ("histograms", ".", 455), ("projector", "", 860)),
    "part4": (("scalars", "Loss|Validation", 1045), ("histograms", ".", 685)),
    "runs": (("scalars", "Loss", 600),),
}

# What tells, as the body of a JavaScript function, that TensorBoard has drawn a page.
DRAWN = {
    "scalars": "return within('vz-line-chart2', 'path.line').length > 0",
    "images": "const found = within('tf-image-loader', 'img');"
    "return found.length > 0 && found.every((e) => e.complete && e.naturalWidth > 0)",
    "histograms": "return within('vz-histogram-timeseries', '.histogram path').length > 0",
    "projector": "return within('vz-projector', '#total-variance').some("
    "(e) => /[0-9]/.test(e.textContent))",  # Else there are no points, or none that can be placed.
}

# To look into the roots that a page's parts keep to themselves.
DEEP = """
function* all(root) {
  for (const element of root.querySelectorAll('*')) {
    yield element;
    if (element.shadowRoot) yield* all(element.shadowRoot);
    if (element.contentDocument) yield* all(element.contentDocument);
  }
}
const elements = (selector) => [...all(document)].filter((e) => e.matches(selector));
const inside = (e) => [...(e.shadowRoot ? all(e.shadowRoot) : []), ...all(e)];
const within = (outer, inner) => elements(outer).flatMap(inside).filter((e) => e.matches(inner));
"""


@functools.cache
def chromium() -> str | None:
    """Returns the path of a Chromium, Debian's or else Playwright's own; None without Playwright or
    either of them."""
    try:
        from playwright import sync_api
    except ImportError:
        return None
    if found := next(filter(None, map(shutil.which, NAMES)), None):
        return found
    with sync_api.sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


@contextlib.contextmanager
def alone(run: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a folder of events in which the run stands alone, by the short name it has there."""
    events = (run / "Tensorboard").resolve()
    links = (run.parent.parent / "tensorboard").glob("*")
    name = next((link.name for link in links if link.resolve() == events), run.name)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "tensorboard"
        path.mkdir()
        (path / name).symlink_to(events)
        yield path


@contextlib.contextmanager
def serve(folder: str | os.PathLike) -> Iterator[str]:
    """Starts TensorBoard on a folder of events, at a free port, and yields its address."""
    folder = pathlib.Path(folder).resolve()  # Its name alone: pages show the words given here.
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder.name}", "--port=0"]
    command += ["--host=127.0.0.1", "--load_fast=false", "--reload_interval=0"]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder.parent)
        try:
            yield _wait(lambda: _address(log, server), 300, "TensorBoard does not start")
        finally:
            server.terminate()
            server.wait()


def _address(log, server):
    log.seek(0)
    said = log.read()
    if server.poll() is not None:
        raise RuntimeError(f"TensorBoard ended: {said}")
    found = re.search(r"http://127\.0\.0\.1:\d+/", said)
    return found and found[0]


class Browser:
    """A headless Chromium with one page.

    Attributes:
      page: Playwright's.
      errors: what pages have said since it was last emptied: errors on the console, and exceptions.
    """

    # The projector draws with WebGL, here without a graphics card.
    GRAPHICS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")

    def __init__(self):
        from playwright import sync_api

        self._playwright = sync_api.sync_playwright().start()
        words = [*self.GRAPHICS, "--disable-dev-shm-usage"]
        self._browser = self._playwright.chromium.launch(executable_path=chromium(), args=words)
        self.page = self._browser.new_page()
        self.errors: list[str] = []
        self.page.on("console", lambda said: said.type == "error" and self.errors.append(said.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *error: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def open(self, address: str, height: int = HEIGHT) -> None:
        """Opens a page in a window of `WIDTH` and this height."""
        self.page.set_viewport_size({"width": WIDTH, "height": height})
        # A page that differs in its `#` alone would not be loaded anew.
        self.page.goto("about:blank")
        self.page.goto(address)

    def evaluate(self, script: str) -> object:
        """Returns what the body of a JavaScript function returns.

        Args:
          script: may use `within(outer, inner)`: all elements that match the CSS selector `inner`
            inside one that matches `outer`.
        """
        return self.page.evaluate(f"() => {{ {DEEP} {script} }}")

    def wait_for(self, script: str, seconds: float = 120) -> object:
        """Waits until the script returns something true, and returns it."""
        return _wait(lambda: self.evaluate(script), seconds, f"the page has not: {script}")

    def settled(self, seconds: float = 15) -> Image.Image:
        """Returns the page as it looks once it changes no more, or after so many seconds."""
        end, before = time.monotonic() + seconds, None
        while (now := self.screenshot()) != before and time.monotonic() < end:
            before = now
            time.sleep(1)
        return now

    def screenshot(self) -> Image.Image:
        """Returns the page as it looks, a PIL image."""
        return Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")


def _wait(for_what, seconds, message):
    end = time.monotonic() + seconds
    while not (found := for_what()):
        if time.monotonic() > end:
            raise TimeoutError(message)
        time.sleep(0.2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=SHOTS)
    parser.add_argument("run", type=pathlib.Path, help="the run's folder; of all runs, Results")
    images = pathlib.Path(__file__).parent / "images"
    parser.add_argument("--to", type=pathlib.Path, default=images, help="folder of the PNG files")
    words = parser.parse_args()
    if chromium() is None:
        raise SystemExit(NO_CHROMIUM)
    events = words.run / ("tensorboard" if words.part == "runs" else "Tensorboard")
    if not events.is_dir():
        raise SystemExit(f"{words.run} is not a run's folder: it has no {events.name}/")
    with alone(words.run) if words.part != "runs" else contextlib.nullcontext(events) as events:
        take(words.part, events, words.to)


def take(part: str, events: pathlib.Path, to: pathlib.Path) -> None:
    """Takes the pictures of `SHOTS` and writes them into the folder `to`."""
    with serve(events) as address, Browser() as browser:
        for page, tags, height in SHOTS[part]:
            browser.open(f"{address}#{page}&tagFilter={tags}", max(height, HEIGHT))
            browser.wait_for(DRAWN[page])
            picture = browser.settled().crop((0, 0, WIDTH, height))
            path = to / f"tensorboard_{part}_{page}.png"
            picture.quantize(dither=Image.Dither.NONE).save(path, optimize=True)
            print(path)


if __name__ == "__main__":
    main()
