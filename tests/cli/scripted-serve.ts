/** Serves with a scripted runtime: /slow answers until stdin closes, and closing waits for that or for the deadline. */
import { Hono } from "hono";
import type { composeApp } from "../../src/cli/compose.ts";
import { serve } from "../../src/cli/serve.ts";
import { environment, loadConfig } from "../../src/config.ts";
import type { Runtime } from "../../src/core/ports.ts";

const finish = Bun.stdin.text();

const app = new Hono();
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
  close: async (deadline) => {
    const passed = new Promise((resolve) => deadline.addEventListener("abort", resolve));
    await Promise.race([finish, passed]);
  },
};

void serve(loadConfig(environment()), {
  composeRuntime: () => runtime as Runtime,
  composeApp: () => app as unknown as ReturnType<typeof composeApp>,
}).then((code) => process.exit(code));
