/** Child of findings.test.ts: prompts of ever new lengths through one engine; prints the growth of its memory in MiB. */
import { loadAddon } from "../../src/native/binding.ts";
import { cpu } from "./addon-host.ts";

const [runtime = "", capacity = "", prompts = "", longest = ""] = process.argv.slice(2);

async function main(): Promise<void> {
  const awake = setInterval(() => undefined, 1000); // the addon's events alone keep no process alive
  const ended = new Map<number, () => void>();
  const options = cpu(capacity === "" ? {} : { CPU_RUNTIME_CACHE_CAPACITY: Number(capacity) }, { prefixCaching: false });
  const engine = await loadAddon(runtime).loadEngine(options, (events) => {
    for (const { id, finish } of events) if (finish) ended.get(id)?.();
  });
  const word = (await engine.tokenizer.encode("a", false))[0] ?? 0;
  const run = (id: number, length: number): Promise<void> =>
    new Promise((resolve) => {
      ended.set(id, resolve);
      engine.submit(id, new Int32Array(length).fill(word), { max_new_tokens: 1, do_sample: false });
    });
  // The longest first: what the cache of keys and values takes is taken before the measurement begins.
  for (let id = 1; id <= 5; id++) await run(id, Number(longest));
  const before = process.memoryUsage.rss();
  for (let n = 0; n < Number(prompts); n++) await run(n + 10, 1 + ((n * 389) % Number(longest)));
  console.log(Math.round((process.memoryUsage.rss() - before) / 2 ** 20));
  clearInterval(awake);
  await engine.close();
}

void main();
