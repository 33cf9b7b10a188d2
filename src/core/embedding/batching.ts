/**
 * Which rows of token ids an encoder computes next, together. Pure: rows in, batches out. Rows of all requests join; those of
 * one batch are about as long, because a batch costs what its longest row does, times its rows.
 */
import type { Priority } from "../request.ts";

/** One row that waits: a text, or a pair of a query and a document. */
export interface Waiting {
  readonly tokens: number;
  /** Whose it is: requests take turns. */
  readonly request: number;
}

export interface BatchLimits {
  /** Tokens of one batch, padding included; a longer row is a batch of its own. */
  readonly tokens: number;
  readonly rows: number;
}

/** Of so many batches one is of bulk rows, however many single queries wait. */
const BULK_SHARE = 4;
/** Rows of which the shortest has this share of the longest one's tokens, or so few fewer, are about as long. */
const ALIKE = 0.75;
const FEW_TOKENS = 8;

export class Batching<Row extends Waiting> {
  readonly #limits: BatchLimits;
  readonly #lanes: Readonly<Record<Priority, Lane<Row>>> = { interactive: new Lane(), batch: new Lane() };
  #sinceBulk = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  /** Rows that wait. */
  get size(): number {
    return this.#lanes.interactive.size + this.#lanes.batch.size;
  }

  add(lane: Priority, row: Row): void {
    this.#lanes[lane].add(row);
  }

  /** Takes back what waits of a request. */
  drop(request: number): void {
    this.#lanes.interactive.drop(request);
    this.#lanes.batch.drop(request);
  }

  /**
   * The next batch, empty where nothing waits: 1. single queries before bulk, but for bulk's share; 2. within a lane requests
   * take turns: the oldest row of the one whose turn it is; 3. with it the rows, of all requests, that are nearest in length.
   */
  take(): readonly Row[] {
    const { interactive, batch } = this.#lanes;
    const bulk = batch.size > 0 && (interactive.size === 0 || this.#sinceBulk >= BULK_SHARE - 1);
    this.#sinceBulk = bulk || batch.size === 0 ? 0 : this.#sinceBulk + 1;
    return (bulk ? batch : interactive).take(this.#limits);
  }
}

class Lane<Row extends Waiting> {
  /** Rows by request, the request whose turn it is first. */
  readonly #requests = new Map<number, Set<Row>>();
  size = 0;

  add(row: Row): void {
    const rows = this.#requests.get(row.request) ?? new Set();
    this.#requests.set(row.request, rows.add(row));
    this.size++;
  }

  drop(request: number): void {
    this.size -= this.#requests.get(request)?.size ?? 0;
    this.#requests.delete(request);
  }

  take({ tokens, rows: mostRows }: BatchLimits): readonly Row[] {
    const [first] = this.#requests.values();
    const [lead] = first ?? [];
    if (!first || !lead) return [];
    this.#requests.delete(lead.request);
    this.#requests.set(lead.request, first); // its next turn comes after all others'
    const batch = [lead];
    let [shortest, longest] = [lead.tokens, lead.tokens];
    for (const row of mostRows > 1 ? this.#nearest(lead) : []) {
      const [short, long] = [Math.min(shortest, row.tokens), Math.max(longest, row.tokens)];
      if (batch.length === mostRows || long * (batch.length + 1) > tokens || !alike(short, long)) break;
      batch.push(row);
      [shortest, longest] = [short, long];
    }
    for (const row of batch) this.#remove(row);
    return batch;
  }

  #nearest(lead: Row): readonly Row[] {
    const all = [...this.#requests.values()].flatMap((rows) => [...rows]);
    const distance = ({ tokens }: Row): number => Math.abs(tokens - lead.tokens);
    return all.filter((row) => row !== lead && alikeEither(row, lead)).sort((a, b) => distance(a) - distance(b));
  }

  #remove(row: Row): void {
    const rows = this.#requests.get(row.request);
    if (rows?.delete(row)) this.size--;
    if (rows?.size === 0) this.#requests.delete(row.request);
  }
}

function alike(shortest: number, longest: number): boolean {
  return shortest >= longest * ALIKE || longest - shortest <= FEW_TOKENS;
}

function alikeEither(a: Waiting, b: Waiting): boolean {
  return alike(Math.min(a.tokens, b.tokens), Math.max(a.tokens, b.tokens));
}
