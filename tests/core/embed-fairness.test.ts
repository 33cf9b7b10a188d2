/** Requests of all sizes beside each other: nobody waits for the whole of another's. */
import { describe, expect, test } from "bun:test";
import { failure } from "../support/failure.ts";
import { EMBEDDER, RANKER, scoreOf, vectorOf } from "../support/scripted-encoders.ts";
import { host, never } from "../support/scripted-engines.ts";

const request = { id: "req_1", model: "embedder", truncate: true } as const;
const numbered = (name: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${name} ${n}`);

function world() {
  const made = host(["CPU"], {}, 1);
  made.shelf.models = [EMBEDDER, RANKER];
  return made;
}

describe("embedding", () => {
  test("a single query is given to the engine at once, however many bulks are there", async () => {
    const { runtime, encoders } = world();
    encoders.held = true;
    const bulks = Array.from({ length: 20 }, (_, n) =>
      runtime.embed({ ...request, client: `client ${n}`, inputs: numbered(`bulk ${n}`, 640) }, never),
    );
    await encoders.until(8);
    await Bun.sleep(1);
    expect(encoders.open).toHaveLength(8); // what the bulks have together
    const query = runtime.embed({ ...request, inputs: ["query"] }, never);
    await encoders.until(9);
    expect(encoders.open.at(-1)).toMatchObject({ inputs: ["query"], lane: "interactive" });
    encoders.open.at(-1)?.end();
    expect([...((await query).vectors[0] ?? [])]).toEqual(vectorOf("query"));
    encoders.release();
    for (const [n, bulk] of bulks.entries())
      expect((await bulk).vectors.map((vector) => [...vector])).toEqual(
        numbered(`bulk ${n}`, 640).map((input) => vectorOf(input)),
      );
  });

  test("bulks go on by turns: a small one is done long before a large one that came first", async () => {
    const { runtime, encoders } = world();
    encoders.held = true;
    const done: string[] = [];
    const embed = async (name: string, count: number): Promise<void> => {
      await runtime.embed({ ...request, client: name, inputs: numbered(name, count) }, never);
      done.push(name);
    };
    const all = [embed("large", 64 * 100), embed("small", 64 * 3)];
    let given = 0;
    while (done.length === 0) {
      await encoders.until(1);
      encoders.open[0]?.end();
      given++;
      await Bun.sleep(0);
    }
    expect(done).toEqual(["small"]);
    expect(given).toBeLessThan(20);
    encoders.release();
    await Promise.all(all);
  });

  test("the caller's own word counts more than the number of inputs", async () => {
    const { runtime, encoders } = world();
    await runtime.embed({ ...request, inputs: numbered("a", 17) }, never);
    await runtime.embed({ ...request, inputs: numbered("b", 16) }, never);
    await runtime.embed({ ...request, inputs: numbered("c", 17), priority: "interactive" }, never);
    await runtime.embed({ ...request, inputs: ["d"], priority: "batch" }, never);
    expect(encoders.calls.map(({ lane }) => lane)).toEqual(["batch", "interactive", "interactive", "batch"]);
  });

  test("a text as large as a bulk is one, and so is a ranking by it", async () => {
    const { runtime, encoders } = world();
    for (const size of [2 ** 16, 2 ** 16 + 1]) {
      const text = "x".repeat(size);
      await runtime.embed({ ...request, inputs: [text] }, never);
      await runtime.rerank({ ...request, model: "ranker", query: text.slice(1), documents: ["d"] }, never);
    }
    expect(encoders.calls.map(({ lane }) => lane)).toEqual(["interactive", "interactive", "batch", "batch"]);
  });

  test("large texts are given one after the other", async () => {
    const { runtime, encoders } = world();
    encoders.held = true;
    const inputs = Array.from({ length: 6 }, (_, n) => `${n}`.padEnd(3 * 2 ** 20, "x"));
    const answers = inputs.map((input) => runtime.embed({ ...request, inputs: [input] }, never));
    await encoders.until(2);
    await Bun.sleep(1);
    expect(encoders.open).toHaveLength(2); // 8 MiB together
    encoders.release();
    expect(await Promise.all(answers)).toHaveLength(6);
  });

  test("who waits for the engine and leaves makes room for those behind", async () => {
    const { runtime, encoders } = world();
    encoders.held = true;
    const leaving = new AbortController();
    const embed = (input: string, signal: AbortSignal) =>
      runtime.embed({ ...request, priority: "interactive", inputs: [input] }, signal);
    const first = embed("a".repeat(6 * 2 ** 20), never);
    await encoders.until(1);
    const large = failure(embed("b".repeat(6 * 2 ** 20), leaving.signal));
    const small = embed("c", never);
    await Bun.sleep(1);
    expect(encoders.open).toHaveLength(1);
    leaving.abort();
    await encoders.until(2);
    expect([(await large).code, encoders.open[1]?.inputs]).toEqual(["client_closed", ["c"]]);
    encoders.release();
    await Promise.all([first, small]);
  });
});

describe("reranking", () => {
  const ask = { id: "req_2", model: "ranker", query: "q" } as const;

  test("scores come in the order of the documents, whatever the order of their pieces", async () => {
    const { runtime, encoders } = world();
    encoders.held = true;
    const documents = numbered("document", 200);
    const ranking = runtime.rerank({ ...ask, documents }, never);
    await encoders.until(4);
    for (const call of [...encoders.open].reverse()) call.end();
    const { scores, tokens, device } = await ranking;
    expect(scores).toEqual(documents.map((document) => scoreOf("q", document)));
    expect(tokens).toBe(documents.reduce((sum, { length }) => sum + length + 1, 0));
    expect([device.name, encoders.calls.map(({ inputs }) => inputs.length)]).toEqual(["CPU", [64, 64, 64, 8]]);
  });

  test("a long query goes along once with each piece, and not once with each document", async () => {
    const { runtime, encoders } = world();
    await runtime.rerank({ ...ask, query: "q".repeat(2 ** 20), documents: numbered("document", 200) }, never);
    expect(encoders.calls.map(({ inputs }) => inputs.length)).toEqual([64, 64, 64, 8]);
  });

  test("a runner that dies is asked again for the rest", async () => {
    const { runtime, encoders } = world();
    encoders.failures.push(undefined, "runner_crashed");
    const documents = numbered("document", 128);
    const { scores } = await runtime.rerank({ ...ask, documents }, never);
    expect(scores).toEqual(documents.map((document) => scoreOf("q", document)));
    expect(encoders.calls.map(({ inputs }) => inputs[0])).toEqual(["document 0", "document 64", "document 64"]);
  });

  test("no documents: the model is loaded; an embedder is refused; too many are, too", async () => {
    const { runtime, encoders } = world();
    expect(await runtime.rerank({ ...ask, documents: [] }, never)).toMatchObject({ scores: [], tokens: 0 });
    expect(encoders.loads).toEqual(["ranker:latest CPU"]);
    expect(await failure(runtime.rerank({ ...ask, model: "embedder", documents: ["a"] }, never))).toMatchObject({
      code: "invalid_request",
      message: '"embedder:latest" does not support reranking',
    });
    const documents = new Array<string>(100_001).fill("a");
    expect(await failure(runtime.rerank({ ...ask, documents }, never))).toMatchObject({ param: "documents" });
  });
});

describe("loading", () => {
  test("encoders are loaded and warmed up as language models are, where their setting says", async () => {
    const { runtime, encoders } = world();
    expect((await runtime.load({ model: "embedder" }, never)).model.name).toBe("embedder:latest");
    await runtime.warmUp({ models: ["ranker"], skip: [], budgetMs: 1000, require: true }, never);
    expect(encoders.loads).toEqual(["embedder:latest CPU", "ranker:latest CPU"]);
    await runtime.unload({ model: "embedder" });
    await Bun.sleep(0);
    expect(runtime.placements().map(({ model }) => model.name)).toEqual(["ranker:latest"]);
  });
});
