// The networks of the page. Nothing here touches the page itself: its worker runs this text, so
// that drawing never waits for a network, and Node can run it as well.
"use strict";

/** Returns the bytes that were deflated and written as base64. */
async function unpack(text) {
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Returns the value of each of the 65,536 half-precision numbers. */
function halfPrecisionValues() {
  const values = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    // Infinite ones are not written.
    values[bits] = sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
  }
  return values;
}

/** Returns an array of the file. Halves lie low bytes first, then high bytes, which deflate more. */
function readArray(bytes, { type, offset, shape, scale }, halves) {
  const n = shape.reduce((a, b) => a * b, 1);
  if (type === "uint8") return bytes.slice(offset, offset + n);
  if (type === "float32") return new Float32Array(bytes.slice(offset, offset + 4 * n).buffer);
  const values = new Float32Array(n);
  if (type === "float16") {
    for (let i = 0; i < n; i++) {
      values[i] = halves[bytes[offset + i] | (bytes[offset + n + i] << 8)];
    }
  } else if (type === "int8") {
    const whole = new Int8Array(bytes.buffer, offset, n);
    const ofColumn = readArray(bytes, scale, halves);
    for (let i = 0; i < n; i++) values[i] = whole[i] * ofColumn[i % ofColumn.length];
  } else {
    throw new Error(`There is no type ${type}.`);
  }
  return values;
}

const ROWS = 5; // Of a batch, multiplied at once: so many sums find room in the processor.

/**
 * Returns a WebAssembly module, since JavaScript alone does not multiply four numbers at once.
 *
 * Its `multiply(kernel, rows, unitBytes, sums)` takes addresses in its `memory`. A kernel holds the
 * weights of one unit after the other and ends where the rows begin; of these, it takes four numbers
 * of each row by turns. For each unit and row it writes four sums, whose own sum is the product.
 */
function productsModule() {
  const [kernel, rows, unitBytes, sums, row, unitEnd, weights, total] = [0, 1, 2, 3, 4, 5, 6, 7];
  const number = (n) => [(n & 127) | 128, n >> 7]; // Below 8,192.
  const list = (...items) => [items.length, ...items.flat()];
  const sized = (...bytes) => [...number(bytes.flat().length), ...bytes.flat()];
  const text = (letters) => list(...Array.from(letters, (letter) => letter.charCodeAt(0)));
  const get = (local) => [0x20, local];
  const set = (local) => [0x21, local];
  const load = (address, offset = 0) => [...get(address), 0xfd, 0x00, 4, offset];
  const sum = (a, b) => [...get(a), ...get(b), 0x6a];
  const advance = (local, bytes) => [...get(local), 0x41, ...number(bytes), 0x6a, ...set(local)];
  const again = (a, b) => [...get(a), ...get(b), 0x49, 0x0d, 0, 0x0b]; // The loop, while a < b.
  const forRows = (code) => Array.from({ length: ROWS }, (_, k) => code(total + k, 16 * k)).flat();
  const [loop, zeros, mul, add] = [[3, 0x40], [0x41, 0, 0xfd, 17], [0xfd, 0xe6, 1], [0xfd, 0xe4, 1]];
  const body = [
    list([2, 0x7f], [1 + ROWS, 0x7b]), // Locals: two addresses; weights and totals, of four numbers.
    loop,
    get(rows), set(row), sum(kernel, unitBytes), set(unitEnd),
    forRows((total) => [...zeros, ...set(total)]),
    loop,
    load(kernel), set(weights),
    forRows((total, offset) =>
      [...load(row, offset), ...get(weights), ...mul, ...get(total), ...add, ...set(total)]),
    advance(row, 16 * ROWS), advance(kernel, 16),
    again(kernel, unitEnd),
    forRows((total, offset) => [...get(sums), ...get(total), 0xfd, 0x0b, 4, offset]),
    advance(sums, 16 * ROWS),
    again(kernel, rows),
    0x0b,
  ];
  return new WebAssembly.Module(Uint8Array.of(
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    1, ...sized(list([0x60, ...list(0x7f, 0x7f, 0x7f, 0x7f), 0])), // The function's type,
    3, ...sized(list(0)), // the function,
    5, ...sized(list([0, 0])), // its memory,
    7, ...sized(list([...text("multiply"), 0, 0], [...text("memory"), 2, 0])),
    10, ...sized(list(sized(...body))),
  ));
}

const { multiply, memory } = new WebAssembly.Instance(productsModule()).exports;

/** Moves a kernel [nIn, nOut] into the memory of `multiply`, with room for its rows and sums. */
function placeKernel(kernel, nOut) {
  const nIn = kernel.length / nOut;
  const unit = 4 * Math.ceil(nIn / 4); // Filled up with zeros.
  const size = unit * nOut + ROWS * (unit + 4 * nOut);
  const start = 65536 * memory.grow(Math.ceil(size / 16384));
  const placed = new Float32Array(memory.buffer, start, unit * nOut);
  for (let i = 0; i < nIn; i++) {
    for (let j = 0; j < nOut; j++) placed[j * unit + i] = kernel[i * nOut + j];
  }
  return { start, nIn, unit };
}

/** Returns x · kernel + bias for n rows of x. */
function dense(x, n, { kernel: { start, nIn, unit }, bias }) {
  const nOut = bias.length;
  const rows = new Float32Array(memory.buffer, start + 4 * unit * nOut, ROWS * unit);
  const sums = new Float32Array(memory.buffer, rows.byteOffset + 4 * rows.length, 4 * ROWS * nOut);
  const y = new Float32Array(n * nOut);
  for (let first = 0; first < n; first += ROWS) {
    const end = Math.min(first + ROWS, n);
    for (let row = first; row < end; row++) {
      for (let i = 0; i < nIn; i++) {
        rows[4 * (ROWS * (i >> 2) + row - first) + (i & 3)] = x[row * nIn + i];
      }
    }
    multiply(start, rows.byteOffset, 4 * unit, sums.byteOffset);
    for (let row = first; row < end; row++) {
      for (let j = 0; j < nOut; j++) {
        const k = 4 * (ROWS * j + row - first);
        y[row * nOut + j] = bias[j] + sums[k] + sums[k + 1] + sums[k + 2] + sums[k + 3];
      }
    }
  }
  return y;
}

function softmax(x, n) {
  const size = x.length / n;
  const y = new Float32Array(x.length);
  for (let row = 0; row < n; row++) {
    const logits = x.subarray(row * size, (row + 1) * size);
    const most = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    y.set(powers.map((power) => power / sum), row * size);
  }
  return y;
}

function concatenate(parts, n) {
  const sizes = parts.map((part) => part.length / n);
  const size = sizes.reduce((a, b) => a + b, 0);
  const y = new Float32Array(n * size);
  for (let row = 0; row < n; row++) {
    let start = row * size;
    parts.forEach((part, k) => {
      y.set(part.subarray(row * sizes[k], (row + 1) * sizes[k]), start);
      start += sizes[k];
    });
  }
  return y;
}

const OPERATIONS = {
  dense: ([x], n, step) => dense(x, n, step),
  affine: ([x], n, { scale, shift }) =>
    x.map((value, i) => scale[i % scale.length] * value + shift[i % scale.length]),
  relu: ([x]) => x.map((value) => Math.max(value, 0)),
  leaky_relu: ([x], n, { slope }) => x.map((value) => (value > 0 ? value : slope * value)),
  sigmoid: ([x]) => x.map((value) => 1 / (1 + Math.exp(-value))),
  tanh: ([x]) => x.map(Math.tanh),
  softplus: ([x]) => x.map((value) => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))),
  softmax: ([x], n) => softmax(x, n),
  concatenate: (parts, n) => concatenate(parts, n),
  add: ([a, b]) => a.map((value, i) => value + b[i]),
  subtract: ([a, b]) => a.map((value, i) => value - b[i]),
  multiply: ([a, b]) => a.map((value, i) => value * b[i]),
};

/** Returns the outputs of a network for n rows of its inputs. */
function run(network, inputs, n) {
  const vectors = [...inputs];
  for (const step of network.steps) {
    vectors[step.output] = OPERATIONS[step.op](step.inputs.map((k) => vectors[k]), n, step);
  }
  return network.outputs.map((k) => vectors[k]);
}

/** The encoder and the decoder of one run. */
class Engine {
  /** Takes the page's description and the weights as they stand in the file. */
  static async load(page, packed) {
    return new Engine(page, await unpack(packed));
  }

  constructor(page, bytes) {
    const halves = halfPrecisionValues();
    const array = (entry) => readArray(bytes, entry, halves);
    const network = ({ steps, outputs }) => ({
      outputs,
      steps: steps.map(({ arrays, ...step }) => {
        for (const name in arrays) step[name] = array(arrays[name]);
        if (step.op === "dense") step.kernel = placeKernel(step.kernel, step.bias.length);
        return step;
      }),
    });
    this.nLabels = page.labels.length;
    this.zDim = page.zDim;
    this.encoder = network(page.encoder);
    this.decoder = network(page.decoder);
    this.arrays = {};
    for (const name in page.arrays) this.arrays[name] = array(page.arrays[name]);
  }

  /** Returns the codes of n images and, where the encoder predicts them, class probabilities. */
  encode(pixels, n = 1) {
    const [z, probabilities = null] = run(this.encoder, [Float32Array.from(pixels)], n);
    return { z, probabilities };
  }

  /** Returns the images of codes, each with its label (where the decoder takes labels). */
  decode(z, labels = []) {
    z = Float32Array.from(z);
    const n = z.length / this.zDim;
    if (!this.nLabels) return run(this.decoder, [z], n)[0];
    const y = new Float32Array(n * this.nLabels);
    for (let row = 0; row < n; row++) y[row * this.nLabels + labels[row]] = 1;
    return run(this.decoder, [y, z], n)[0];
  }

  /** Returns the images of one code with every label. */
  decodeAll(z) {
    const labels = Array.from({ length: Math.max(this.nLabels, 1) }, (_, k) => k);
    return this.decode(labels.flatMap(() => Array.from(z)), labels);
  }

  /** Returns an image's code and class probabilities, and the images of this code. */
  restyle(pixels) {
    const { z, probabilities } = this.encode(pixels);
    return { z, probabilities, images: this.decodeAll(z) };
  }
}

if (typeof WorkerGlobalScope !== "undefined") {
  let engine;
  onmessage = async ({ data: { id, method, inputs } }) => {
    try {
      if (method === "load") engine = await Engine.load(...inputs);
      postMessage({ id, result: method === "load" ? engine.arrays : engine[method](...inputs) });
    } catch (error) {
      postMessage({ id, error: String(error) });
    }
  };
}
