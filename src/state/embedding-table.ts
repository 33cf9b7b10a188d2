/** The embeddings in the state database, in the order in which they were kept. */
import type { Database, Statement } from "bun:sqlite";
import type { Embedded } from "../core/embedding/cache.ts";

type Row = {
  readonly key: string;
  readonly tokens: number;
  readonly cut: number;
  /** float32, little-endian. */
  readonly vector: Uint8Array;
};

/** @throws SQLiteError where the database has other tables */
export class EmbeddingTable {
  readonly #database: Database;
  readonly #put: Statement<unknown, [Row]>;
  readonly #remove: Statement<unknown, [string]>;

  constructor(database: Database) {
    this.#database = database;
    this.#put = database.query("INSERT OR REPLACE INTO embeddings VALUES ($key, $tokens, $cut, $vector)");
    this.#remove = database.query("DELETE FROM embeddings WHERE key = ?");
  }

  all(): [key: string, embedded: Embedded][] {
    const rows = this.#database.query<Row, []>("SELECT key, tokens, cut, vector FROM embeddings ORDER BY rowid");
    return rows.all().map(({ key, tokens, cut, vector }) => {
      // A copy: the bytes that SQLite gives need not lie where a float32 may.
      return [key, { vector: new Float32Array(vector.slice().buffer), tokens, cut: cut === 1 }];
    });
  }

  /** Writes all or nothing; undefined removes. @throws SQLiteError */
  write(changes: Iterable<readonly [key: string, embedded: Embedded | undefined]>): void {
    this.#database.transaction(() => {
      for (const [key, embedded] of changes) {
        if (!embedded) this.#remove.run(key);
        else {
          const { vector, tokens, cut } = embedded;
          const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
          this.#put.run({ key, tokens, cut: cut ? 1 : 0, vector: bytes });
        }
      }
    })();
  }

  clear(): void {
    this.#database.run("DELETE FROM embeddings");
  }
}
