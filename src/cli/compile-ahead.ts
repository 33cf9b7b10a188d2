/** Compiling what was pulled into this machine's store, where no server runs that would do it. */
import { environment } from "../config.ts";
import { asProxyError } from "../core/errors.ts";
import { Bars } from "./bars.ts";
import type { Client } from "./client.ts";
import { print, printError, withoutControls } from "./output.ts";

const SECOND_MS = 1000;

/**
 * Compiles a model for the device that requests will try first, and shows for how long; says nothing where there is nothing
 * to compile. A model that cannot be compiled is here all the same: stderr tells why, and nothing is thrown.
 * @throws the signal's reason
 */
export async function compileAhead(client: Client, model: string, json: boolean, signal: AbortSignal): Promise<void> {
  const atTerminal = !json && process.stdout.isTTY && environment()["TERM"] !== "dumb";
  const bars = atTerminal ? new Bars() : undefined;
  const began = performance.now();
  const seconds = (): number => Math.round((performance.now() - began) / SECOND_MS);
  let ticking: ReturnType<typeof setInterval> | undefined;
  let drawing = Promise.resolve();
  const starting = (device: string): void => {
    const text = `compiling for ${device}`;
    const show = (): void => {
      drawing = drawing
        .then(() => bars?.status(`${text}: ${seconds()} s (Ctrl-C leaves that to its first request)`, false))
        .catch(() => undefined);
    };
    if (!bars && !json) drawing = print(`${text}\n`);
    show();
    ticking = setInterval(show, SECOND_MS);
  };
  let told: () => Promise<void> = async () => undefined;
  try {
    const device = await client.compileAhead(model, starting, signal);
    if (device !== undefined && !json) told = () => print(`Compiled for ${device} in ${seconds()} s.\n`);
  } catch (thrown) {
    const { message } = asProxyError(thrown);
    told = () =>
      signal.aborted
        ? printError("Stopped. The model is here; its first request compiles it.\n")
        : printError(withoutControls(`It was not compiled: ${message}\n`));
  } finally {
    clearInterval(ticking);
    await drawing;
    await bars?.end();
  }
  await told();
  signal.throwIfAborted();
}
