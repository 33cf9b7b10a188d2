import { describe, expect, test } from "bun:test";
import { host, never, request, text } from "../support/scripted-engines.ts";

describe("runtime", () => {
  test("NPU first; a placement is loaded once and joined", async () => {
    const { runtime, loads } = host(["CPU", "NPU"], {});
    const answer = async () => {
      const { reason, events } = await runtime.generate(request, never);
      return [reason, await text(events)];
    };
    expect(await Promise.all([answer(), answer()])).toEqual([
      ["within_npu_limit", "NPU"],
      ["within_npu_limit", "NPU"],
    ]);
    expect(loads).toEqual(["NPU"]);
  });

  test("a prompt or an answer beyond the NPU's limits goes to the next device, with the reason", async () => {
    const long = host(["CPU", "NPU"], {}, 51);
    const answer = await long.runtime.generate(request, never);
    expect([answer.device.name, answer.reason]).toEqual(["CPU", "prompt_exceeds_npu_limit"]);
    const short = host(["CPU", "NPU"], {}, 50);
    const fits = await short.runtime.generate(request, never);
    expect([fits.reason, await text(fits.events)]).toEqual(["within_npu_limit", "NPU"]);
    const wide = await short.runtime.generate({ ...request, sampling: { maxTokens: 26 } }, never);
    expect([wide.device.name, wide.reason]).toEqual(["CPU", "output_exceeds_npu_limit"]);
    expect((await short.runtime.generate({ ...request, sampling: { maxTokens: 25 } }, never)).device.name).toBe("NPU");
  });

  test("an answer without a length gets the bound of the settings, and never more than the context leaves", async () => {
    const { runtime, asked } = host(["CPU"], {}, 70);
    await runtime.generate(request, never);
    await runtime.generate({ ...request, sampling: { maxTokens: 1000 } }, never);
    expect(asked).toEqual([20, 30]);
  });

  test("a prompt that leaves no room is refused with both numbers and no engine is loaded", async () => {
    const { runtime, loads } = host(["CPU"], {}, 100);
    expect(runtime.generate(request, never)).rejects.toMatchObject({
      code: "context_length_exceeded",
      message: expect.stringMatching(/100 tokens .* at most 99/),
    });
    await Bun.sleep(0);
    expect(loads).toEqual([]);
  });

  test("a crash before the first token moves the request on, and says that the NPU failed it", async () => {
    const { runtime } = host(["CPU", "NPU"], { NPU: ["runner_crashed"] });
    const answer = await runtime.generate(request, never);
    expect([answer.device.name, answer.reason, await text(answer.events)]).toEqual(["CPU", "npu_unavailable", "CPU"]);
  });

  test("on the last device a crash before the first token is tried once more, not for ever", async () => {
    const once = host(["CPU"], { CPU: ["runner_crashed"] });
    expect(await text((await once.runtime.generate(request, never)).events)).toBe("CPU");
    expect(once.loads).toEqual(["CPU", "CPU"]);
    const twice = host(["CPU"], { CPU: ["runner_crashed", "runner_crashed"] });
    expect(twice.runtime.generate(request, never)).rejects.toMatchObject({ code: "runner_crashed" });
  });

  test("after the first token a failure is the request's own", async () => {
    const { runtime, loads } = host(["CPU", "NPU"], { NPU: [{ after: "half", failing: "runner_crashed" }] });
    const answer = await runtime.generate(request, never);
    expect(text(answer.events)).rejects.toMatchObject({ code: "runner_crashed" });
    expect(loads).toEqual(["NPU"]);
  });

  test("a failed load moves on, and is tried again for the next request", async () => {
    const { runtime, loads } = host(["CPU", "NPU"], { "load NPU": ["model_not_loaded"] });
    expect((await runtime.generate(request, never)).device.name).toBe("CPU");
    expect((await runtime.generate(request, never)).device.name).toBe("NPU");
    expect(loads).toEqual(["NPU", "CPU", "NPU"]);
  });

  test("what the caller did wrong does not wander through the devices", async () => {
    const { runtime, loads } = host(["CPU", "NPU"], { NPU: ["invalid_grammar"] });
    expect(runtime.generate(request, never)).rejects.toMatchObject({ code: "invalid_grammar" });
    await Bun.sleep(0);
    expect(loads).toEqual(["NPU"]);
  });

  test("a reader that leaves cancels its generation and frees its place", async () => {
    const { runtime, cancelled } = host(["CPU"], { CPU: ["hang", "answer"] });
    const leaving = new AbortController();
    const hanging = runtime.generate(request, leaving.signal);
    while (runtime.placements()[0]?.running !== 1) await Bun.sleep(1);
    leaving.abort();
    expect(hanging).rejects.toMatchObject({ code: "client_closed" });
    await hanging.catch(() => undefined);
    expect(runtime.placements()[0]?.running).toBe(0);
    const answer = await runtime.generate(request, never);
    for await (const _event of answer.events) break;
    expect(runtime.placements()[0]?.running).toBe(0);
    expect(cancelled).toEqual(["CPU"]); // the second one had already ended by itself
  });

  test("close refuses new requests and waits for the running ones", async () => {
    const { runtime } = host(["CPU"], {});
    const answer = await runtime.generate(request, never);
    const closing = runtime.close(never);
    expect(runtime.generate(request, never)).rejects.toMatchObject({ code: "shutting_down" });
    let closed = false;
    void closing.then(() => {
      closed = true;
    });
    await Bun.sleep(1);
    expect(closed).toBe(false);
    expect(await text(answer.events)).toBe("CPU");
    await closing;
    expect(runtime.placements()).toEqual([]);
  });

  test("close does not wait beyond its deadline", async () => {
    const { runtime } = host(["CPU"], { CPU: [{ after: "half", failing: "internal_error" }] });
    await runtime.generate(request, never); // never read
    await runtime.close(AbortSignal.abort());
    expect(runtime.placements()).toEqual([]);
  });
});
