/** A client of a test hub that has the demo as test/demo. */
import { createHub, type Hub, type HubOptions } from "../../src/models/hub/hub.ts";
import { temporaryFolder } from "./demo.ts";
import { demoRepository, type HubOptions as ServerOptions, startHub, type TestHub } from "./hub.ts";

/** What no log, file or foreign host may have: "secret" is looked for. */
export const TOKEN = "hf_secret_of_a_test";

export interface HubScene extends Disposable {
  readonly server: TestHub;
  readonly hub: Hub;
  /** Of test/demo. */
  readonly commit: string;
  /** The clients' cache. */
  readonly folder: string;
  /** What the clients logged, as JSON. */
  readonly lines: readonly string[];
  /** Another client of the same hub. */
  connect(options?: Partial<HubOptions>): Hub;
}

export async function hubScene(options: ServerOptions = {}): Promise<HubScene> {
  const server = await startHub(options);
  const folder = temporaryFolder();
  const lines: string[] = [];
  const observer = { log: (...line: unknown[]) => void lines.push(JSON.stringify(line)) };
  const connect = (more: Partial<HubOptions> = {}): Hub =>
    createHub({ endpoint: server.url, cacheDirectory: folder.path, observer, ...more });
  return {
    server,
    hub: connect(),
    commit: server.addRepository("test/demo", demoRepository()).commit,
    folder: folder.path,
    lines,
    connect,
    [Symbol.dispose]() {
      server.stop();
      folder[Symbol.dispose]();
    },
  };
}
