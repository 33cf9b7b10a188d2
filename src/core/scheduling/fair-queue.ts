/** Who is next: interactive jobs before batch ones, and within each of the two the clients take turns. Pure. */
import { Line, type Place } from "./line.ts";
import type { Job } from "./schedule.ts";

/** Interactive jobs that may be taken while a batch job waits; then one batch job has its turn. */
const INTERACTIVE_PER_BATCH = 16;

/** Every call takes constant time, however many wait. */
export class FairQueue {
  readonly #interactive = new Turns();
  readonly #batch = new Turns();
  /** Interactive jobs that were taken since batch jobs wait, or since one of them was taken. */
  #passed = 0;

  get size(): number {
    return this.#interactive.size + this.#batch.size;
  }

  /** Who is taken next. Among jobs of one priority newcomers never change it: a large job at the head is not starved. */
  get head(): Job | undefined {
    return this.#next.head;
  }

  add(job: Job): void {
    (job.priority === "batch" ? this.#batch : this.#interactive).add(job);
  }

  /** Takes the head away. */
  take(): Job | undefined {
    const next = this.#next;
    this.#passed = next === this.#interactive && this.#batch.size > 0 ? this.#passed + 1 : 0;
    return next.take();
  }

  /** The job left; undefined: it is not here. */
  delete(id: number): Job | undefined {
    const job = this.#interactive.delete(id) ?? this.#batch.delete(id);
    if (this.#batch.size === 0) this.#passed = 0;
    return job;
  }

  get #next(): Turns {
    const batchIsDue = this.#batch.size > 0 && this.#passed >= INTERACTIVE_PER_BATCH;
    return this.#interactive.size === 0 || batchIsDue ? this.#batch : this.#interactive;
  }
}

interface Client {
  readonly jobs: Line<Job>;
  turn: Place<Client>;
}

/** Jobs of one priority: each client's in its order, one client after the other. */
class Turns {
  readonly #turns = new Line<Client>();
  /** Those who have a job here. */
  readonly #clients = new Map<string, Client>();
  readonly #places = new Map<number, Place<Job>>();

  get size(): number {
    return this.#places.size;
  }

  get head(): Job | undefined {
    return this.#turns.first?.jobs.first;
  }

  add(job: Job): void {
    const client = this.#clients.get(job.client) ?? this.#welcome(job.client);
    this.#places.set(job.id, client.jobs.join(job));
  }

  take(): Job | undefined {
    const client = this.#turns.first;
    const job = client?.jobs.first;
    if (!client || !job) return undefined;
    this.delete(job.id);
    if (client.jobs.first) {
      this.#turns.leave(client.turn);
      client.turn = this.#turns.join(client);
    }
    return job;
  }

  delete(id: number): Job | undefined {
    const place = this.#places.get(id);
    if (!place) return undefined;
    const job = place.item;
    const client = this.#clients.get(job.client);
    this.#places.delete(id);
    client?.jobs.leave(place);
    if (client && !client.jobs.first) {
      this.#clients.delete(job.client);
      this.#turns.leave(client.turn);
    }
    return job;
  }

  #welcome(name: string): Client {
    const client = { jobs: new Line<Job>() } as Client;
    client.turn = this.#turns.join(client);
    this.#clients.set(name, client);
    return client;
  }
}
