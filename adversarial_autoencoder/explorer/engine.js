// The networks of the page. Nothing here touches the page itself: its worker runs this text, so
// that drawing never waits for a network, and Node can run it as well.
"use strict";

// Columns of a kernel that stay in the processor's cache until every row of a batch has used them.
const COLUMNS = 256;

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

/** Returns x · kernel + bias for n rows of x. */
function dense(x, n, { kernel, bias }) {
  const nOut = bias.length;
  const nIn = kernel.length / nOut;
  const y = new Float32Array(n * nOut);
  // Units that a ReLU has set to 0, and black pixels, add nothing: only the others are listed, the
  // start of their row of the kernel and their value, eight at a time.
  const rows = [];
  for (let row = 0; row < n; row++) {
    y.set(bias, row * nOut);
    const starts = new Int32Array(nIn + 8);
    const values = new Float32Array(nIn + 8);
    let listed = 0;
    for (let i = 0; i < nIn; i++) {
      const value = x[row * nIn + i];
      if (value !== 0) {
        starts[listed] = i * nOut;
        values[listed++] = value;
      }
    }
    rows.push({ starts, values, listed });
  }
  for (let first = 0; first < nOut; first += COLUMNS) {
    const columns = Math.min(COLUMNS, nOut - first);
    rows.forEach(({ starts, values, listed }, row) => {
      const begin = row * nOut + first;
      const end = begin + columns;
      for (let k = 0; k < listed; k += 8) {
        const a0 = values[k], a1 = values[k + 1], a2 = values[k + 2], a3 = values[k + 3];
        const a4 = values[k + 4], a5 = values[k + 5], a6 = values[k + 6], a7 = values[k + 7];
        let w0 = starts[k] + first, w1 = starts[k + 1] + first, w2 = starts[k + 2] + first;
        let w3 = starts[k + 3] + first, w4 = starts[k + 4] + first, w5 = starts[k + 5] + first;
        let w6 = starts[k + 6] + first, w7 = starts[k + 7] + first;
        for (let j = begin; j < end; j++) {
          y[j] +=
            a0 * kernel[w0++] + a1 * kernel[w1++] + a2 * kernel[w2++] + a3 * kernel[w3++] +
            a4 * kernel[w4++] + a5 * kernel[w5++] + a6 * kernel[w6++] + a7 * kernel[w7++];
        }
      }
    });
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
