// The map of 2-D codes: drag across it, or click a test code.
"use strict";

const MANIFOLD_CELLS = 22; // Images in a row of the manifold behind the codes.
const DASHES = [[], [7, 4], [2, 3]]; // By what a line of the prior's outline marks.

async function showMap(networks, arrays) {
  const { classes, colours, prior, start } = description;
  element("title").textContent = `${description.model}: the latent space`;
  element("lead").textContent = "Each point is the 2-D latent code of a test image. Drag across "
    + "the map to see what the decoder makes of each code; click a point to see its image.";

  const canvas = element("map-canvas");
  const codes = arrays.codes;
  const square = squareAround(codes);
  let z = Float32Array.of(0, 0);
  const manifold = new Manifold(square);

  const toMap = ([x, y], size) =>
    [(x - square.left) / square.side * size, (square.top - y) / square.side * size];

  function drawCodes() {
    const scale = devicePixelRatio || 1;
    const size = canvas.clientWidth;
    canvas.width = canvas.height = Math.round(size * scale);
    // Thousands of small circles, once: by the processor, which some graphics are slower at.
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    drawAxes(pen, size, style);
    const radius = size > 450 ? 2.6 : 2;
    pen.strokeStyle = style.getPropertyValue("--outline");
    pen.lineWidth = 0.7;
    for (let k = 0; k < codes.length / 2; k++) {
      const [x, y] = toMap(codes.subarray(2 * k, 2 * k + 2), size);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fillStyle = colours[arrays.classes[k]];
      pen.fill();
      pen.stroke();
    }
    pen.strokeStyle = style.getPropertyValue("--text");
    pen.lineWidth = 1.2;
    prior?.outline.forEach((lines, k) => {
      pen.setLineDash(DASHES[k]);
      for (const line of lines) {
        pen.beginPath();
        for (const point of line) pen.lineTo(...toMap(point, size));
        pen.stroke();
      }
    });
  }

  function drawAxes(pen, size, style) {
    pen.strokeStyle = style.getPropertyValue("--line");
    pen.fillStyle = style.getPropertyValue("--faint");
    pen.font = "12px system-ui, sans-serif";
    const [x0, y0] = toMap([0, 0], size);
    pen.beginPath();
    pen.moveTo(x0, 0);
    pen.lineTo(x0, size);
    pen.moveTo(0, y0);
    pen.lineTo(size, y0);
    pen.stroke();
    const step = roundStep(square.side / 6);
    const at = (value) => `${+value.toPrecision(6)}`.replace("-", "−");
    pen.lineWidth = 4;
    pen.strokeStyle = style.getPropertyValue("--panel");
    const write = (text, x, y) => {
      pen.strokeText(text, x, y); // Or it could not be read on the manifold.
      pen.fillText(text, x, y);
    };
    pen.textAlign = "center";
    for (let v = Math.ceil(square.left / step) * step; v < square.left + square.side; v += step) {
      const [x] = toMap([v, 0], size);
      if (x > 30 && x < size - 40) write(at(v), x, size - 6);
    }
    write("z[0]", size - 18, size - 6);
    pen.textAlign = "left";
    for (let v = Math.ceil((square.top - square.side) / step) * step; v < square.top; v += step) {
      const [, y] = toMap([0, v], size);
      if (y > 30 && y < size - 24) write(at(v), 6, y + 4);
    }
    write("z[1]", 6, 16);
  }

  const decode = newestOnly(
    (code) => networks.call("decode", code),
    (pixels) => paint(element("decoded"), pixels),
  );

  function moveTo(code) {
    z = Float32Array.from(code);
    element("map-code").textContent = `z = ${codeAsText(z)}`;
    const [x, y] = toMap(z, 100);
    element("cursor").style.left = `${x}%`;
    element("cursor").style.top = `${y}%`;
    decode(z);
  }

  function choose(k) {
    moveTo(codes.subarray(2 * k, 2 * k + 2));
    const name = classes[arrays.classes[k]];
    const text = noun === "digit" ? `Test image: a ${name}` : `Test image: ${name}`;
    element("chosen-caption").textContent = text;
    paint(element("chosen"), testImage(arrays, k));
    networks.call("decode", codes.slice(2 * k, 2 * k + 2))
      .then((pixels) => paint(element("chosen-copy"), pixels));
    element("map-status").textContent = `${text}, at z = ${codeAsText(z)}`;
  }

  function nearest([x, y]) {
    let [best, least] = [0, Infinity];
    for (let k = 0; k < codes.length / 2; k++) {
      const distance = Math.hypot(codes[2 * k] - x, codes[2 * k + 1] - y);
      if (distance < least) [best, least] = [k, distance];
    }
    return { k: best, distance: least };
  }

  function atPointer(event) {
    const box = canvas.getBoundingClientRect();
    const inside = (value) => Math.min(1, Math.max(0, value));
    return [
      square.left + square.side * inside((event.clientX - box.left) / box.width),
      square.top - square.side * inside((event.clientY - box.top) / box.height),
    ];
  }

  let pressedAt = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pressedAt = [event.clientX, event.clientY];
    moveTo(atPointer(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (pressedAt) moveTo(atPointer(event));
  });
  canvas.addEventListener("pointerup", (event) => {
    const [x, y] = pressedAt ?? [Infinity, 0];
    pressedAt = null;
    if (Math.hypot(event.clientX - x, event.clientY - y) > 5) return; // It was dragged.
    const { k, distance } = nearest(atPointer(event));
    if (distance < square.side * 12 / canvas.clientWidth) choose(k);
  });
  canvas.addEventListener("pointercancel", () => { pressedAt = null; });
  canvas.addEventListener("keydown", (event) => {
    const step = square.side / (event.shiftKey ? 20 : 100);
    const arrows = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step],
    };
    if (event.key in arrows) {
      const [dx, dy] = arrows[event.key];
      moveTo([
        Math.min(square.left + square.side, Math.max(square.left, z[0] + dx)),
        Math.min(square.top, Math.max(square.top - square.side, z[1] + dy)),
      ]);
    } else if (event.key === "Enter") {
      choose(nearest(z).k);
    } else {
      return;
    }
    event.preventDefault();
  });
  element("origin").addEventListener("click", () => {
    moveTo([0, 0]);
    element("map-status").textContent = "At the origin, z = (0, 0)";
  });
  element("manifold").addEventListener("change", (event) => {
    manifold.canvas.hidden = !event.target.checked;
  });
  darkScheme.addEventListener("change", () => {
    manifold.paint();
    drawCodes();
  });
  new ResizeObserver(drawCodes).observe(canvas);

  Object.entries(prior?.places ?? {}).forEach(([name, place]) => {
    const button = make("button", { type: "button", textContent: name });
    button.addEventListener("click", () => moveTo(place));
    element("places").append(button);
    element("places-section").hidden = false;
  });
  if (classes.length <= 26) {
    classes.forEach((name, k) => {
      const dot = make("i");
      dot.style.background = colours[k];
      element("legend").append(make("li", {}, dot, name));
    });
  }

  element("map-lines").textContent = prior?.caption ?? "";
  drawCodes();
  choose(start);
  // A row at a time, so that a code under the pointer does not wait for all of them.
  for (let row = 0; row < MANIFOLD_CELLS; row++) {
    manifold.add(await networks.call("decode", manifold.codes(row)));
  }
}

/** The decoder's images on a grid of codes, so that each lies where its code does. */
class Manifold {
  constructor(square) {
    this.square = square;
    this.rows = []; // Of pixels, the top one first.
    this.canvas = element("manifold-canvas"); // Behind the map's own.
    [this.canvas.width, this.canvas.height] = [MANIFOLD_CELLS * width, MANIFOLD_CELLS * height];
  }

  codes(row) {
    const { left, top, side } = this.square;
    const cell = side / MANIFOLD_CELLS;
    return Array.from({ length: MANIFOLD_CELLS }, (_, k) => k)
      .flatMap((k) => [left + cell * (k + 0.5), top - cell * (row + 0.5)]);
  }

  add(pixels) {
    this.rows.push(pixels);
    this.paintRow(this.rows.length - 1);
  }

  paint() {
    this.rows.forEach((_, row) => this.paintRow(row));
  }

  /** Dark parts let the map's ground through, in light and in dark colours. */
  paintRow(row) {
    const picture = new ImageData(MANIFOLD_CELLS * width, height);
    const ink = darkScheme.matches ? 255 : 0;
    const pixels = this.rows[row];
    for (let i = 0; i < pixels.length / channels; i++) {
      const [cell, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height,
        i % width];
      const at = 4 * (y * picture.width + cell * width + x);
      for (let c = 0; c < 3; c++) {
        picture.data[at + c] = channels === 3 ? 255 * pixels[3 * i + c] : ink;
      }
      picture.data[at + 3] = 255 * (channels === 3 ? 0.5 : 0.35 * pixels[i]);
    }
    this.canvas.getContext("2d").putImageData(picture, 0, row * height);
  }
}

/** The square that holds all codes, the prior's lines and the origin, with a margin. */
function squareAround(codes) {
  const points = [[0, 0], ...(description.prior?.outline.flat(2) ?? [])];
  for (let k = 0; k < codes.length; k += 2) points.push([codes[k], codes[k + 1]]);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, right, bottom, top] =
    [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const side = 1.08 * Math.max(right - left, top - bottom) || 2;
  return { left: (left + right - side) / 2, top: (bottom + top + side) / 2, side };
}

/** Returns 1, 2 or 5 times a power of ten, near the number. */
function roundStep(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= number * 0.99);
}
