import { SQLiteError } from "bun:sqlite";

/** SQLite's name of what went wrong ("SQLITE_BUSY", "SQLITE_IOERR_WRITE"); "" where it was not SQLite. */
export function sqliteCode(error: unknown): string {
  return error instanceof SQLiteError ? (error.code ?? "") : "";
}
