import { expect } from "bun:test";
import type { Job } from "../../src/core/scheduling/schedule.ts";

/** Holds that turns are taken: the waiting jobs that generate, by placement, priority and client. */
export class Turns {
  readonly #waiting = new Map<string, Job[]>();
  /** Of each client that waits: how many jobs each other client started since its last turn. */
  readonly #passedBy = new Map<string, Map<string, number>>();
  /** Of each placement: interactive jobs that started since batch jobs wait, or since one of them started. */
  readonly #interactive = new Map<string, number>();

  joined(job: Job): void {
    const jobs = this.#waiting.get(clientOf(job)) ?? [];
    if (jobs.length === 0) this.#passedBy.set(clientOf(job), new Map());
    this.#waiting.set(clientOf(job), [...jobs, job]);
  }

  left(job: Job): void {
    this.#remove(job);
  }

  started(job: Job): void {
    const client = clientOf(job);
    expect(this.#waiting.get(client)?.[0]?.id, "a client's own jobs lost their order").toBe(job.id);
    for (const other of this.#clients(job.placement.key, job.priority)) {
      if (other === client) continue;
      const passedBy = this.#passedBy.get(other) ?? new Map<string, number>();
      passedBy.set(client, (passedBy.get(client) ?? 0) + 1);
      expect(passedBy.get(client), `${other} was passed twice by ${client}`).toBe(1);
    }
    this.#priorities(job);
    this.#passedBy.set(client, new Map());
    this.#remove(job);
  }

  #priorities({ placement: { key }, priority }: Job): void {
    const passed = this.#interactive.get(key) ?? 0;
    if (priority === "batch") {
      if (this.#clients(key, "interactive").length > 0) expect(passed, "batch before interactive").toBe(16);
      this.#interactive.set(key, 0);
    } else if (this.#clients(key, "batch").length > 0) {
      expect(passed, "batch starves").toBeLessThan(16);
      this.#interactive.set(key, passed + 1);
    }
  }

  #clients(key: string, priority: string): string[] {
    return [...this.#waiting.keys()].filter((client) => client.startsWith(`${key} ${priority} `));
  }

  #remove(job: Job): void {
    const { key } = job.placement;
    const rest = (this.#waiting.get(clientOf(job)) ?? []).filter(({ id }) => id !== job.id);
    if (rest.length > 0) this.#waiting.set(clientOf(job), rest);
    else this.#waiting.delete(clientOf(job));
    if (this.#clients(key, "batch").length === 0) this.#interactive.set(key, 0);
  }
}

function clientOf({ placement, priority, client }: Job): string {
  return `${placement.key} ${priority} ${client}`;
}
