/**
 * Serves with a scripted runtime: /slow answers until stdin closes, and closing waits for that or for the deadline. The
 * model "slow" is never warmed up, "broken" cannot be; /ready tells whether the others are.
 */
import { Hono } from "hono";
import type { composeApp } from "../../src/cli/compose.ts";
import { serve } from "../../src/cli/serve.ts";
import { environment, loadConfig } from "../../src/config.ts";
import { ProxyError } from "../../src/core/errors.ts";
import type { Runtime } from "../../src/core/ports.ts";

const finish = Bun.stdin.text();
let ready = false;

const app = new Hono();
app.get("/ready", (c) => c.text(String(ready)));
app.get("/slow", () => {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(encoder.encode("begun "));
      await finish;
      controller.enqueue(encoder.encode("finished"));
      controller.close();
    },
  });
  return new Response(body);
});

const runtime: Partial<Runtime> = {
  async warmUp({ models, require }, signal) {
    if (models.includes("slow")) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    signal.throwIfAborted();
    if (models.includes("broken") && require)
      throw new ProxyError("insufficient_memory", "broken needs 9 GiB, and 1 GiB is available.");
    ready = true;
  },
  close: async (deadline) => {
    if (deadline.aborted) return;
    const passed = new Promise((resolve) => deadline.addEventListener("abort", resolve));
    await Promise.race([finish, passed]);
  },
};

void serve(loadConfig(environment()), {
  composeRuntime: () => runtime as Runtime,
  composeApp: () => app as unknown as ReturnType<typeof composeApp>,
}).then((code) => process.exit(code));
