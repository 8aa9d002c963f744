// Lines drawn by hand, made into an image as the training images were made.
"use strict";

/**
 * Draws strokes into an image: scaled into a box, then their centre of mass in the middle.
 *
 * @param strokes Lists of points [x, y], in pixels of the image.
 * @param height, width Of the image.
 * @param box Longer side of the drawing afterwards; 20 of 28 for MNIST's images.
 * @param pen Width of the line, in pixels, after scaling.
 * @returns Grey values from 0 to 1, row by row.
 */
function imageOfStrokes(strokes, height, width, box, pen) {
  const points = strokes.flat();
  if (!points.length) return new Float32Array(height * width);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, right, top, bottom] =
    [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const side = Math.max(right - left, bottom - top);
  // The first dot of a line should not fill the image.
  const scale = Math.min((box - pen) / Math.max(side, 1e-6), 3);
  const place = (dx, dy) => strokes.map((stroke) => stroke.map(([x, y]) => [
    scale * (x - (left + right) / 2) + width / 2 + dx,
    scale * (y - (top + bottom) / 2) + height / 2 + dy,
  ]));
  const [x, y] = centreOfMass(paintStrokes(place(0, 0), height, width, pen), height, width);
  return paintStrokes(place(width / 2 - x, height / 2 - y), height, width, pen);
}

function centreOfMass(image, height, width) {
  let [sum, x, y] = [1e-9, 0, 0];
  image.forEach((value, i) => {
    sum += value;
    x += value * ((i % width) + 0.5);
    y += value * (Math.floor(i / width) + 0.5);
  });
  return [x / sum, y / sum];
}

/** Each pixel by the distance of its centre from the nearest line; its edge is soft over 1.5 pixels. */
function paintStrokes(strokes, height, width, pen) {
  const image = new Float32Array(height * width);
  const reach = pen / 2 + 0.75;
  for (const stroke of strokes) {
    for (let k = 0; k < stroke.length; k++) {
      const [[x0, y0], [x1, y1]] = [stroke[Math.max(k - 1, 0)], stroke[k]];
      const [dx, dy] = [x1 - x0, y1 - y0];
      const length = dx * dx + dy * dy;
      const firstColumn = Math.max(0, Math.floor(Math.min(x0, x1) - reach));
      const lastColumn = Math.min(width - 1, Math.ceil(Math.max(x0, x1) + reach));
      const firstRow = Math.max(0, Math.floor(Math.min(y0, y1) - reach));
      const lastRow = Math.min(height - 1, Math.ceil(Math.max(y0, y1) + reach));
      for (let row = firstRow; row <= lastRow; row++) {
        for (let column = firstColumn; column <= lastColumn; column++) {
          const x = column + 0.5 - x0;
          const y = row + 0.5 - y0;
          const along = length && Math.min(1, Math.max(0, (x * dx + y * dy) / length));
          const distance = Math.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2);
          const i = row * width + column;
          image[i] = Math.max(image[i], Math.min(1, (reach - distance) / 1.5));
        }
      }
    }
  }
  return image;
}
