/**
 * One server for a state folder. The lock is SQLite's own on an empty database: the kernel holds it for the process, so
 * kill -9 and power cuts leave nothing that anybody would have to remove by hand, on Linux and Windows alike.
 */
import { Database } from "bun:sqlite";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../core/errors.ts";
import { sqliteCode } from "./sqlite-code.ts";

/**
 * How long to wait for the lock, in ms. Two that start at once may both be turned away at first: each then has a part of
 * the lock, and without waiting neither would get it. The system also takes a moment to bury a killed process.
 */
const PATIENCE_MS = 1000;

/**
 * Takes the lock of a folder that exists; it is held until it is disposed of or the process ends.
 * @throws ProxyError state_locked where another process has it
 * @throws SQLiteError where the folder cannot be written to
 */
export function lockFolder(folder: string): Disposable {
  const path = join(folder, "server.lock");
  try {
    return take(path);
  } catch (error) {
    if (sqliteCode(error) === "SQLITE_BUSY") throw locked();
    if (sqliteCode(error) !== "SQLITE_NOTADB") throw error;
    // Nobody has ever written into it but a failing disk. The same file, emptied: a new one could be locked twice.
    truncateSync(path);
    return take(path);
  }
}

function take(path: string): Disposable {
  const database = new Database(path, { create: true, readwrite: true });
  try {
    database.run(`PRAGMA busy_timeout = ${PATIENCE_MS}`);
    database.run("PRAGMA journal_mode = MEMORY"); // no second file beside it
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}

function locked(): ProxyError {
  return new ProxyError(
    "state_locked",
    "Another npu-proxy serves with this state folder. Stop it, ask it in the place of this one (its own --port), " +
      "give this one another folder with NPU_PROXY_STATE_DIR, or start it with --no-state.",
  );
}
