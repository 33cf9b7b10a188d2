/** The deadlines of waiting jobs: a binary heap that knows where each job lies, so that one that starts can be taken out. */
import type { Job } from "./schedule.ts";

export class Deadlines {
  readonly #heap: Job[] = [];
  readonly #positions = new Map<number, number>();

  /** The job whose deadline comes first. */
  get earliest(): Job | undefined {
    return this.#heap[0];
  }

  add(job: Job): void {
    this.#settle(job, this.#heap.length);
  }

  delete(id: number): void {
    const position = this.#positions.get(id);
    const last = this.#heap.at(-1);
    if (position === undefined || !last) return;
    this.#positions.delete(id);
    this.#heap.pop();
    if (last.id !== id) this.#settle(last, position);
  }

  /** Puts a job at a position that is free, then up or down to where it belongs. */
  #settle(job: Job, start: number): void {
    let position = start;
    for (let parent = (position - 1) >> 1; parent >= 0; parent = (position - 1) >> 1) {
      const above = this.#heap[parent];
      if (!above || above.deadline <= job.deadline) break;
      this.#put(above, position);
      position = parent;
    }
    for (let child = this.#earlierChild(position); child; child = this.#earlierChild(position)) {
      if (child.job.deadline >= job.deadline) break;
      this.#put(child.job, position);
      position = child.position;
    }
    this.#put(job, position);
  }

  #earlierChild(parent: number): { readonly job: Job; readonly position: number } | undefined {
    const position = 2 * parent + 1;
    const left = this.#heap[position];
    const right = this.#heap[position + 1];
    if (!left) return undefined;
    return right && right.deadline < left.deadline ? { job: right, position: position + 1 } : { job: left, position };
  }

  #put(job: Job, position: number): void {
    this.#heap[position] = job;
    this.#positions.set(job.id, position);
  }
}
