/**
 * Child of findings.test.ts: prompts of ever new lengths through one engine, one after the other. Prints by how many MiB
 * its memory grew over the first half of them, and over the second. Arguments: the runtime folder, how many prompts, the
 * capacity of the CPU's cache of compiled shapes (none: the library's own).
 */
import { loadAddon } from "../../src/native/binding.ts";
import { cpu } from "./addon-host.ts";

const LONGEST = 400;

async function main([runtime = "", prompts = "", capacity]: readonly string[]): Promise<void> {
  const awake = setInterval(() => undefined, 1000); // the addon's events alone keep no process alive
  const ended = new Map<number, () => void>();
  const properties = capacity === undefined ? {} : { CPU_RUNTIME_CACHE_CAPACITY: Number(capacity) };
  const options = { ...cpu({}, { prefixCaching: false }), properties };
  const engine = await loadAddon(runtime).loadEngine(options, (events) => {
    for (const { id, finish } of events) if (finish) ended.get(id)?.();
  });
  const word = (await engine.tokenizer.encode("a", false))[0] ?? 0;
  let id = 0;
  const run = (length: number): Promise<void> =>
    new Promise((resolve) => {
      ended.set(++id, resolve);
      engine.submit(id, new Int32Array(length).fill(word), { max_new_tokens: 1, do_sample: false });
    });
  const half = async (from: number, to: number): Promise<number> => {
    const before = process.memoryUsage.rss();
    for (let n = from; n < to; n++) await run(1 + ((n * 389) % LONGEST));
    return Math.round((process.memoryUsage.rss() - before) / 2 ** 20);
  };
  // The longest first: what the cache of keys and values takes is taken before the measurement begins.
  for (let n = 0; n < 5; n++) await run(LONGEST);
  const count = Number(prompts);
  console.log(JSON.stringify([await half(0, count / 2), await half(count / 2, count)]));
  clearInterval(awake);
  await engine.close();
}

void main(process.argv.slice(2));
