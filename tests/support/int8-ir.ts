/** An encoder's IR with its f16 matrices in int8, symmetric by rows: what a quantized download of it looks like. */
import { readFileSync, writeFileSync } from "node:fs";

const LARGEST = 127;
const ALIGNMENT = 64;

/** Rewrites a model in place: each f16 matrix becomes int8 numbers times one f16 scale a row. @param xml path of the graph */
export function quantizeMatrices(xml: string): void {
  const bin = xml.replace(/xml$/, "bin");
  const old = readFileSync(bin);
  const parts: Uint8Array[] = [];
  let length = 0;
  const place = (data: Uint8Array): number => {
    const padding = -length & (ALIGNMENT - 1);
    parts.push(new Uint8Array(padding), data);
    length += padding + data.length;
    return length - data.length;
  };
  const places = new Map<string, number>();
  const keep = (offset: number, size: number): number => {
    const key = `${offset} ${size}`;
    const at = places.get(key) ?? place(old.subarray(offset, offset + size));
    places.set(key, at);
    return at;
  };

  let graph = readFileSync(xml, "utf8");
  let nextId = (graph.match(/<layer /g) ?? []).length;
  const added: string[] = [];
  const edges = new Map<string, string>();
  graph = graph.replace(/<layer id="(\d+)"[^>]*type="Const".*?<\/layer>/gs, (layer: string, id: string) => {
    const data = /element_type="(\w+)" shape="([\d, ]*)" offset="(\d+)" size="(\d+)"/.exec(layer);
    if (!data) throw new Error(`A constant without data: ${layer}`);
    const [whole = "", type, dimensions = "", offset, size] = data;
    const shape = dimensions.split(", ").map(Number);
    const [rows = 0, columns = 0] = shape;
    if (type !== "f16" || shape.length !== 2)
      return layer.replace(/offset="\d+"/, `offset="${keep(Number(offset), Number(size))}"`);
    const { numbers, scales } = quantized(halves(old, Number(offset), rows * columns), rows);
    const [widened, scale, product] = [nextId++, nextId++, nextId++];
    const scaleData = `element_type="f16" shape="${rows}, 1" offset="${place(bytes(scales))}" size="${2 * rows}"`;
    const matrix = ports(shape);
    added.push(
      `<layer id="${widened}" name="widened_${id}" type="Convert" version="opset1"><data destination_type="f16" />` +
        `<input>${matrix(0, "I8")}</input><output>${matrix(1, "FP16")}</output></layer>`,
      `<layer id="${scale}" name="scale_${id}" type="Const" version="opset1"><data ${scaleData} />` +
        `<output>${ports([rows, 1])(0, "FP16")}</output></layer>`,
      `<layer id="${product}" name="scaled_${id}" type="Multiply" version="opset1"><data auto_broadcast="numpy" />` +
        `<input>${matrix(0, "FP16")}${ports([rows, 1])(1, "FP16")}</input><output>${matrix(2, "FP16")}</output></layer>`,
    );
    edges.set(`from-layer="${id}" from-port="0"`, `from-layer="${product}" from-port="2"`);
    added.push(edge(id, 0, widened, 0), edge(widened, 1, product, 0), edge(scale, 0, product, 1));
    const stored = `element_type="i8" shape="${dimensions}" offset="${place(bytes(numbers))}" size="${numbers.length}"`;
    return layer.replace(whole, stored).replace('precision="FP16"', 'precision="I8"');
  });
  graph = graph.replace(/from-layer="\d+" from-port="0"/g, (from) => edges.get(from) ?? from);
  const isEdge = (element: string): boolean => element.startsWith("<edge ");
  graph = graph
    .replace("</layers>", `${added.filter((element) => !isEdge(element)).join("\n")}\n</layers>`)
    .replace("</edges>", `${added.filter(isEdge).join("\n")}\n</edges>`);
  writeFileSync(bin, Buffer.concat(parts));
  writeFileSync(xml, graph);
}

function quantized(values: Float32Array, rows: number): { numbers: Int8Array; scales: Float16Array } {
  const columns = values.length / rows;
  const numbers = new Int8Array(values.length);
  const scales = new Float16Array(rows);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    let largest = 0;
    for (let at = from; at < from + columns; at++) largest = Math.max(largest, Math.abs(values[at] ?? 0));
    scales[row] = largest / LARGEST;
    const scale = scales[row] || 1;
    for (let at = from; at < from + columns; at++)
      numbers[at] = Math.max(-LARGEST, Math.min(LARGEST, Math.round((values[at] ?? 0) / scale)));
  }
  return { numbers, scales };
}

/** A copy, since its place in the file may be odd; widened at once, since single elements of a Float16Array are slow. */
function halves(file: Buffer, offset: number, count: number): Float32Array {
  const copy = new Uint8Array(file.subarray(offset, offset + 2 * count));
  return new Float32Array(new Float16Array(copy.buffer));
}

function bytes(array: Int8Array | Float16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function ports(shape: readonly number[]): (id: number, precision: string) => string {
  const dimensions = shape.map((dimension) => `<dim>${dimension}</dim>`).join("");
  return (id, precision) => `<port id="${id}" precision="${precision}">${dimensions}</port>`;
}

function edge(from: number | string, fromPort: number, to: number, toPort: number): string {
  return `<edge from-layer="${from}" from-port="${fromPort}" to-layer="${to}" to-port="${toPort}" />`;
}
