import { expect, test } from "bun:test";
import { errorsTable } from "../../src/cli/errors-table.ts";

test("the table of errors tells of each code what each API and the command line make of it", () => {
  const rows = errorsTable().split("\n").slice(2);
  expect(new Set(rows).size).toBe(rows.length);
  for (const row of [
    "| `queue_full` | 503 | 429 | `rate_limit_error` | 1 |",
    "| `model_not_found` | 404 | 404 | `invalid_request_error` | 3 |",
    "| `model_not_loaded` | 500 | 500 | `server_error` | 1 |",
    "| `device_error` | 503 | 503 | `server_error` | 1 |",
    "| `inference_timeout` | 504 | 504 | `server_error` | 1 |",
    "| `context_length_exceeded` | 400 | 400 | `invalid_request_error` | 2 |",
  ])
    expect(rows).toContain(row);
});
