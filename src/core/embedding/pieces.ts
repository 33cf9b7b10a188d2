/** What a request sends to an engine at once: never all of it. */
import type { Priority } from "../request.ts";
import { type EncoderInput, MOST_INPUTS_AT_ONCE } from "./embedding.ts";

/** A piece is closed with the input that brings it to so many bytes; a longer input is a piece of its own. */
const MOST_BYTES_AT_ONCE = 64 * 2 ** 10;
/** Pieces of one request that are under way at once: enough to be batched by length, little enough to leave others a turn. */
const MOST_PIECES_UNDER_WAY = 4;
/** A request of more inputs than these, or of more than one piece, is a bulk, where its caller does not say otherwise. */
const MOST_OF_A_QUERY = 16;

/**
 * The lane of a request of these inputs: a megabyte of one text keeps the tokenizer as long as a thousand queries do.
 * @param beside bytes that come with each piece
 */
export function laneOf(priority: Priority | undefined, inputs: readonly EncoderInput[], beside = 0): Priority {
  if (priority) return priority;
  if (inputs.length > MOST_OF_A_QUERY) return "batch";
  const bytes = inputs.reduce((sum: number, input) => sum + bytesOf(input), beside);
  return bytes > MOST_BYTES_AT_ONCE ? "batch" : "interactive";
}

/** Bytes that an input takes in a message, about. */
export function bytesOf(input: EncoderInput): number {
  return typeof input === "string" ? input.length : input.length * 4;
}

/** Takes items in their order, as they are asked for, by MOST_INPUTS_AT_ONCE or 64 KiB at most (one item at least). */
export function* piecesOf<T>(items: Iterable<T>, bytes: (item: T) => number): Generator<readonly T[], void, undefined> {
  let piece: T[] = [];
  let size = 0;
  for (const item of items) {
    if (piece.length > 0 && size + bytes(item) > MOST_BYTES_AT_ONCE) {
      yield piece;
      piece = [];
      size = 0;
    }
    piece.push(item);
    size += bytes(item);
    if (piece.length === MOST_INPUTS_AT_ONCE) {
      yield piece;
      piece = [];
      size = 0;
    }
  }
  if (piece.length > 0) yield piece;
}

/**
 * Works on pieces, four at a time; the next is taken when one is done. Resolves or rejects when nothing runs any more.
 * @throws what the first that failed threw; no further piece is taken then
 */
export async function eachPiece<T>(pieces: Iterator<T>, work: (piece: T) => Promise<void>): Promise<void> {
  let failure: { readonly reason: unknown } | undefined;
  const line = async (): Promise<void> => {
    for (let next = pieces.next(); !next.done; next = pieces.next()) {
      try {
        await work(next.value);
      } catch (reason) {
        failure ??= { reason };
      }
      if (failure) return;
    }
  };
  await Promise.all(Array.from({ length: MOST_PIECES_UNDER_WAY }, line));
  if (failure) throw failure.reason;
}
