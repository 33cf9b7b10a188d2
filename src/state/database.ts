/** The database in the state folder: its schema, its migrations, and what happens to one that cannot be read. */
import { Database } from "bun:sqlite";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Observer } from "../core/ports.ts";
import type { Device } from "../core/request.ts";
import { EmbeddingTable } from "./embedding-table.ts";
import { type Known, PairingTable } from "./pairing-table.ts";
import { sqliteCode } from "./sqlite-code.ts";

/** Schema n is what the first n of these make of an empty database; `user_version` says which one a file has. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE pairings (
     digest TEXT NOT NULL,
     device TEXT NOT NULL,
     prompt_tokens_per_second REAL,
     tokens_per_second REAL,
     samples INTEGER,
     load_ms REAL,
     load_memory_bytes INTEGER,
     unfit TEXT,
     updated INTEGER NOT NULL DEFAULT (unixepoch()),
     PRIMARY KEY (digest, device)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE devices (
     device TEXT PRIMARY KEY,
     stamp TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE embeddings (
     key TEXT PRIMARY KEY,
     tokens INTEGER NOT NULL,
     cut INTEGER NOT NULL,
     vector BLOB NOT NULL
   ) STRICT;`,
];

/** Models come and go: what nobody measured again in half a year is forgotten. */
const KEPT_SECONDS = 180 * 86_400;

/** The lock keeps other servers away; somebody who looks with a tool of his own is waited for this long, in ms. */
const BUSY_MS = 250;

/** These say something of the disk or the moment, and nothing against what the file holds. */
const PASSING = /^SQLITE_(FULL|IOERR|BUSY|LOCKED|READONLY|NOMEM|PERM)/;

export interface Opened {
  readonly table: PairingTable;
  readonly embeddings: EmbeddingTable;
  /** What it holds. */
  readonly known: readonly Known[];
  readonly stamps: readonly (readonly [Device, string])[];
}

/**
 * Opens the database of a folder that this process has locked. One that is damaged is set aside (.corrupt) and a fresh
 * one begun; undefined where there can be none now (a full disk, one written by a newer version): the log says why.
 */
export function openDatabase(folder: string, observer: Observer): Opened | undefined {
  const path = join(folder, "state.db");
  try {
    return open(path);
  } catch (error) {
    if (error instanceof NewerSchema || PASSING.test(sqliteCode(error))) return without(error);
    try {
      setAside(path);
      const fresh = open(path);
      observer.log("warn", "state set aside as state.db.corrupt: speeds are measured anew", {
        reason: reasonOf(error),
      });
      return fresh;
    } catch (second) {
      return without(second);
    }
  }

  function without(error: unknown): undefined {
    observer.log("warn", "state cannot be kept: what is measured now ends with this server", {
      reason: reasonOf(error),
    });
  }
}

/** What SQLite or the system said, without the path that the system's own message has. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (code.startsWith("SQLITE_") || error instanceof NewerSchema) return (error as Error).message;
  return code || String(error);
}

class NewerSchema extends Error {}

function open(path: string): Opened {
  const database = new Database(path, { create: true, readwrite: true, strict: true });
  try {
    database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
    database.run("PRAGMA journal_mode = WAL");
    // A power cut may take the last commits and never the file: they are measurements.
    database.run("PRAGMA synchronous = NORMAL");
    const [check] = database.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").all();
    if (check?.quick_check !== "ok") throw new Error(`It is damaged: ${check?.quick_check}`);
    migrate(database);
    database.run("DELETE FROM pairings WHERE updated < unixepoch() - ?", [KEPT_SECONDS]);
    const table = new PairingTable(database);
    return { table, embeddings: new EmbeddingTable(database), known: table.all(), stamps: table.stamps() };
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: Database): void {
  const { user_version: version = 0 } = database.query<{ user_version: number }, []>("PRAGMA user_version").get() ?? {};
  if (version > MIGRATIONS.length) throw new NewerSchema("It was written by a newer version of npu-proxy.");
  if (version === MIGRATIONS.length) return;
  database.transaction(() => {
    for (const migration of MIGRATIONS.slice(version)) database.run(migration);
    database.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
  })();
}

/** With its journal: a fresh database must not find the old one's. */
function setAside(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    const aside = `${path}.corrupt${suffix}`;
    rmSync(aside, { recursive: true, force: true });
    try {
      renameSync(`${path}${suffix}`, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
