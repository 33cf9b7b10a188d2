/** What stands around a text, and around a pair of texts: learnt from the model's tokenizer, so that texts are cut by one rule. */
import type { NativeEncoder, NativeRows } from "./contract.ts";

/** A row of token ids as the model takes it. */
export interface Row {
  readonly ids: Int32Array;
  /** Which of two texts a token belongs to. */
  readonly types: Int32Array;
  /** Tokens that it had before it was cut. */
  readonly whole: number;
}

/** Words that every vocabulary can spell, none of them twice. */
const FIRST = "a model";
const SECOND = "the cat";

interface Part {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

export class EncoderFrame {
  /** Whether the tokenizer has to add the special ids by itself: it does not tell them apart. */
  readonly special: boolean;
  readonly #single: readonly [before: Part, after: Part];
  readonly #pair: { readonly parts: readonly [Part, Part, Part]; readonly types: readonly [number, number] };

  private constructor(
    special: boolean,
    single: readonly [Part, Part],
    pair: { readonly parts: readonly [Part, Part, Part]; readonly types: readonly [number, number] },
  ) {
    this.special = special;
    this.#single = single;
    this.#pair = pair;
  }

  /** @param pairs whether pairs are asked for: a tokenizer that knows none puts one text behind the other */
  static async learn(encoder: NativeEncoder, pairs: boolean): Promise<EncoderFrame> {
    const [first = [], second = []] = rowsOf(await encoder.tokenize([FIRST, SECOND], false)).map(({ ids }) => [...ids]);
    const [framed] = rowsOf(await encoder.tokenize([FIRST], true));
    const whole = { ids: [...(framed?.ids ?? [])], types: [] };
    const at = find(whole.ids, first, 0);
    const special = at < 0;
    const single: [Part, Part] = special ? [NOTHING, NOTHING] : [part(whole, 0, at), part(whole, at + first.length)];
    const known = pairs ? await learnPair(encoder, first, second) : undefined;
    return new EncoderFrame(special, single, known ?? { parts: [single[0], NOTHING, single[1]], types: [0, 0] });
  }

  /** A text's row; what is too long loses its end. @param most tokens of the row */
  text(content: Int32Array, most: number): Row {
    const [before, after] = this.#single;
    const room = Math.max(0, most - before.ids.length - after.ids.length);
    const kept = content.subarray(0, room);
    return row([before, plain(kept, 0), after], before.ids.length + content.length + after.ids.length);
  }

  /** Token ids as a client gave them; cut, they still end as the model's own do. */
  ids(given: Int32Array, most: number): Row {
    if (given.length <= most) return row([plain(given, 0)], given.length);
    const end = [...(this.#single[1].ids ?? [])];
    const ends = end.every((id, index) => given[given.length - end.length + index] === id) ? end.length : 0;
    return row([plain(given.subarray(0, most - ends), 0), plain(given.subarray(given.length - ends), 0)], given.length);
  }

  /** A pair's row; where it is too long the longer text loses its end, then both. */
  pair(first: Int32Array, second: Int32Array, most: number): Row {
    const { parts, types } = this.#pair;
    const special = parts.reduce((sum, { ids }) => sum + ids.length, 0);
    const [a, b] = shares(first.length, second.length, Math.max(0, most - special));
    return row(
      [parts[0], plain(first.subarray(0, a), types[0]), parts[1], plain(second.subarray(0, b), types[1]), parts[2]],
      special + first.length + second.length,
    );
  }
}

/** Tokens that two texts keep of so much room, longest first (as Hugging Face's tokenizers cut pairs). */
function shares(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const short = Math.min(first, second, Math.floor(room / 2));
  return first <= second ? [short, room - short] : [room - short, short];
}

async function learnPair(
  encoder: NativeEncoder,
  first: readonly number[],
  second: readonly number[],
): Promise<{ parts: readonly [Part, Part, Part]; types: readonly [number, number] } | undefined> {
  const tokenized = await encoder.tokenizePair(FIRST, SECOND).catch(() => undefined);
  if (!tokenized) return undefined;
  const whole = { ids: [...tokenized.ids], types: [...tokenized.types] };
  const a = find(whole.ids, first, 0);
  const b = a < 0 ? -1 : find(whole.ids, second, a + first.length);
  if (b < 0) return undefined;
  return {
    parts: [part(whole, 0, a), part(whole, a + first.length, b), part(whole, b + second.length)],
    types: [whole.types[a] ?? 0, whole.types[b] ?? 0],
  };
}

/** The rows that the addon gave one behind the other. */
export function rowsOf({ ids, types, ends }: NativeRows): { readonly ids: Int32Array; readonly types: Int32Array }[] {
  return [...ends].map((end, index) => {
    const from = ends[index - 1] ?? 0;
    return { ids: ids.subarray(from, end), types: types.subarray(from, end) };
  });
}

/** Rows as the addon takes them. */
export function packed(rows: readonly Pick<Row, "ids" | "types">[]): NativeRows {
  let end = 0;
  const ends = Int32Array.from(rows, ({ ids }) => {
    end += ids.length;
    return end;
  });
  const all = { ids: new Int32Array(end), types: new Int32Array(end), ends };
  for (const [index, { ids, types }] of rows.entries()) {
    all.ids.set(ids, ends[index - 1] ?? 0);
    all.types.set(types, ends[index - 1] ?? 0);
  }
  return all;
}

const NOTHING: Part = { ids: [], types: [] };

function part({ ids, types }: Part, from: number, to?: number): Part {
  const kept = ids.slice(from, to);
  return { ids: kept, types: kept.map((_, index) => types[from + index] ?? 0) };
}

function plain(ids: Int32Array, type: number): { ids: Int32Array; types: Int32Array } {
  return { ids, types: new Int32Array(ids.length).fill(type) };
}

function row(parts: readonly { readonly ids: ArrayLike<number>; readonly types: ArrayLike<number> }[], whole: number) {
  const length = parts.reduce((sum, { ids }) => sum + ids.length, 0);
  const joined = { ids: new Int32Array(length), types: new Int32Array(length), whole };
  let at = 0;
  for (const { ids, types } of parts) {
    joined.ids.set(ids, at);
    joined.types.set(types, at);
    at += ids.length;
  }
  return joined;
}

/** Where a sequence begins in another one, from a place on; -1: nowhere, or the sequence is empty. */
function find(all: readonly number[], wanted: readonly number[], from: number): number {
  if (wanted.length === 0) return -1;
  for (let at = from; at + wanted.length <= all.length; at++)
    if (wanted.every((id, index) => all[at + index] === id)) return at;
  return -1;
}
