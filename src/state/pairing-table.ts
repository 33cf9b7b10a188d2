/** The rows of the state database: one for each model on a device. */
import type { Database, Statement } from "bun:sqlite";
import type { LoadRecord, Pairing } from "../core/records.ts";
import type { Device } from "../core/request.ts";
import type { Speed } from "../core/speed.ts";

/** Everything that is known of a pairing. */
export interface Known extends Pairing {
  readonly speed?: Speed | undefined;
  readonly load?: LoadRecord | undefined;
  readonly unfit?: string | undefined;
}

/** A type and no interface: SQLite binds records alone. */
type Row = {
  readonly digest: string;
  readonly device: string;
  readonly promptRate: number | null;
  readonly rate: number | null;
  readonly samples: number | null;
  readonly loadMs: number | null;
  readonly loadBytes: number | null;
  readonly unfit: string | null;
};

/** @throws SQLiteError where the database has other tables */
export class PairingTable {
  readonly #database: Database;
  readonly #put: Statement<unknown, [Row]>;
  readonly #remove: Statement<unknown, [Pick<Row, "digest" | "device">]>;
  readonly #putStamp: Statement<unknown, [string, string]>;

  constructor(database: Database) {
    this.#database = database;
    this.#put = database.query(`
      INSERT INTO pairings (digest, device, prompt_tokens_per_second, tokens_per_second, samples,
                            load_ms, load_memory_bytes, unfit)
      VALUES ($digest, $device, $promptRate, $rate, $samples, $loadMs, $loadBytes, $unfit)
      ON CONFLICT DO UPDATE SET
        prompt_tokens_per_second = excluded.prompt_tokens_per_second,
        tokens_per_second = excluded.tokens_per_second,
        samples = excluded.samples,
        load_ms = excluded.load_ms,
        load_memory_bytes = excluded.load_memory_bytes,
        unfit = excluded.unfit,
        updated = unixepoch()`);
    this.#remove = database.query("DELETE FROM pairings WHERE digest = $digest AND device = $device");
    this.#putStamp = database.query(
      "INSERT INTO devices VALUES (?, ?) ON CONFLICT DO UPDATE SET stamp = excluded.stamp",
    );
  }

  close(): void {
    this.#database.close();
  }

  all(): Known[] {
    const rows = this.#database.query<Row, []>(`
      SELECT digest, device, prompt_tokens_per_second AS promptRate, tokens_per_second AS rate, samples,
             load_ms AS loadMs, load_memory_bytes AS loadBytes, unfit
      FROM pairings`);
    return rows.all().map(knownOf);
  }

  /** What each device was when its pairings were measured. */
  stamps(): [Device, string][] {
    const rows = this.#database.query<{ device: string; stamp: string }, []>("SELECT device, stamp FROM devices");
    return rows.all().map(({ device, stamp }) => [device, stamp]);
  }

  /** Writes all or nothing; a pairing of which nothing is known is removed. @throws SQLiteError */
  write(pairings: Iterable<Known>, stamps: Iterable<readonly [Device, string]>): void {
    this.#database.transaction(() => {
      for (const known of pairings) {
        if (known.speed || known.load || known.unfit !== undefined) this.#put.run(rowOf(known));
        else this.#remove.run({ digest: known.digest, device: known.device });
      }
      for (const [device, stamp] of stamps) this.#putStamp.run(device, stamp);
    })();
  }
}

function rowOf({ digest, device, speed, load, unfit }: Known): Row {
  return {
    digest,
    device,
    promptRate: speed?.promptTokensPerSecond ?? null,
    rate: speed?.tokensPerSecond ?? null,
    samples: speed?.samples ?? null,
    loadMs: load?.ms ?? null,
    loadBytes: load?.memoryBytes ?? null,
    unfit: unfit ?? null,
  };
}

function knownOf({ digest, device, promptRate, rate, samples, loadMs, loadBytes, unfit }: Row): Known {
  const speed =
    promptRate === null || rate === null || samples === null
      ? undefined
      : { promptTokensPerSecond: promptRate, tokensPerSecond: rate, samples };
  const load = loadMs === null || loadBytes === null ? undefined : { ms: loadMs, memoryBytes: loadBytes };
  return { digest, device, speed, load, unfit: unfit ?? undefined };
}
