/**
 * `bun run soak pull [--pulls N] [--seed S]`: pulls in processes of their own, each killed by SIGKILL when the hub has sent a
 * random number of bytes, then run again. Exits with 1 where one does not end as a verified model, byte for byte, with
 * nothing left behind, or where something was fetched twice in full.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { filesOf } from "../../src/models/store/folders.ts";
import { MANIFEST } from "../../src/models/store/manifest.ts";
import { DEMO, temporaryFolder } from "../support/demo.ts";
import { filesOf as demoFiles, demoRepository, startHub, type TestHub } from "../support/hub.ts";
import { startPull } from "../support/pull-process.ts";
import { generator } from "./traffic.ts";

const NAME = "test/soak";
/** Beside the demo: large enough that what the kernel holds for a client that has gone is a small part of them. */
const BALLAST: Readonly<Record<string, number>> = {
  "openvino_ballast.bin": 40_000_000,
  "openvino_weight.bin": 24_000_000,
};
/** What two sockets and a reader may hold of one connection; smaller files may have been sent whole and never read. */
const BUFFERS = 16_000_000;

type Content = ReadonlyMap<string, Uint8Array>;

/** Runs the pulls one after another and returns the exit code. */
export async function soakPull(args: readonly string[]): Promise<number> {
  const options = { pulls: { type: "string", default: "200" }, seed: { type: "string", default: "1" } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const pulls = Number(values.pulls);
  if (!(Number.isInteger(pulls) && pulls > 0)) {
    console.error("--pulls is a whole number above 0.");
    return 2;
  }
  const random = generator(Number(values.seed));
  const content = modelFiles(random);
  using hub = await startHub();
  hub.addRepository(NAME, { ...demoRepository(), files: Object.fromEntries(content) });
  const total = [...content.values()].reduce((sum, { length }) => sum + length, 0);
  let failures = 0;
  let interrupted = 0;
  let again = 0;
  for (let pull = 1; pull <= pulls; pull++) {
    // A little beyond the end, so that some die while they verify, rename and clean up.
    const at = Math.floor(random() * total * 1.1);
    const { killed, fetched, faults } = await once(hub, content, at, total, random);
    if (killed) interrupted++;
    again += fetched - total;
    failures += faults.length > 0 ? 1 : 0;
    for (const fault of faults) console.log(`FAIL pull ${pull}, killed at ${at} of ${total} bytes: ${fault}`);
    if (pull % 20 === 0 || pull === pulls)
      console.log(
        `${pull} pulls, ${interrupted} killed on their way, ${failures} failed, ${(again / pull / 1e6).toFixed(1)} MB sent twice each`,
      );
  }
  return failures === 0 ? 0 : 1;
}

/** One pull, killed, and run again until it is done. */
async function once(hub: TestHub, content: Content, at: number, total: number, random: () => number) {
  using folder = temporaryFolder();
  const store = join(folder.path, "models");
  const first = hub.requests.length;
  const before = hub.bytesSent;
  const victim = await startPull(hub.url, store, NAME);
  let ended = false;
  void victim.exited.then(() => {
    ended = true;
  });
  victim.go();
  while (!ended && hub.bytesSent - before < Math.min(at, total)) await new Promise((resolve) => setImmediate(resolve));
  if (at > total) await Bun.sleep(random() * 150);
  victim.kill("SIGKILL");
  await victim.exited;
  const killed = (await victim.answer) === undefined;

  const faults: string[] = [];
  const heir = await startPull(hub.url, store, NAME);
  heir.go();
  const [code, answer, errors] = await Promise.all([heir.exited, heir.answer, heir.errors]);
  if (code !== 0 || !answer) faults.push(`the second run ended with ${code}: ${errors.slice(0, 400)}`);
  else faults.push(...inspect(join(store, NAME), content), ...leftovers(store));

  const sent = new Map<string, number>();
  for (const { path, bytes } of hub.requests.slice(first)) {
    const file = [...content.keys()].find((name) => path.split("?")[0]?.endsWith(`/${name}`));
    if (file !== undefined) sent.set(file, (sent.get(file) ?? 0) + bytes);
  }
  for (const [file, bytes] of sent) {
    const size = content.get(file)?.length ?? 0;
    if (size > BUFFERS ? bytes >= 2 * size : bytes > 2 * size)
      faults.push(`${bytes} bytes of ${file} were sent, it has ${size}`);
  }
  return { killed, fetched: hub.bytesSent - before, faults };
}

/** What is wrong with a model's folder. */
function inspect(folder: string, content: Content): string[] {
  const names = filesOf(folder).filter((name) => name !== MANIFEST);
  const expected = [...content.keys()].sort();
  if (names.join() !== expected.join()) return [`the files are ${names.join(", ")}`];
  return names
    .filter((name) => sha256(readFileSync(join(folder, name))) !== sha256(content.get(name) ?? new Uint8Array()))
    .map((name) => `${name} has other bytes`);
}

/** What a pull must not leave in the store. */
function leftovers(store: string): string[] {
  const partial = readdirSync(join(store, ".partial"));
  const strangers = readdirSync(store).filter((name) => !["test", ".partial"].includes(name));
  return [...partial.map((name) => `.partial/${name}`), ...strangers].map((name) => `${name} was left`);
}

function modelFiles(random: () => number): Content {
  const content = new Map<string, Uint8Array>();
  for (const [name, path] of Object.entries(demoFiles(DEMO))) content.set(name, new Uint8Array(readFileSync(path)));
  for (const [name, size] of Object.entries(BALLAST)) {
    const words = Uint32Array.from({ length: size / 4 }, () => random() * 2 ** 32);
    content.set(name, new Uint8Array(words.buffer));
  }
  return content;
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
