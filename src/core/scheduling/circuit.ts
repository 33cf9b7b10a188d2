/** Circuit breakers: a placement that keeps failing is left alone for a while, then tried with one request. Pure. */

export type CircuitState = "closed" | "open" | "half_open";

/** Failures in a row that open a circuit. */
const THRESHOLD = 3;
/** How long it stays open, in ns: doubled each time that the trial fails too. */
const OPEN_NS = 10e9;
const LONGEST_OPEN_NS = 300e9;

interface Circuit {
  failures: number;
  /** Times that it opened in a row. */
  opened: number;
  until: number;
  /** The one request of half_open is under way, since then. */
  trialSince: number | undefined;
}

export class Circuits {
  readonly #circuits = new Map<string, Circuit>();

  /** Of a placement, at a time in ns. half_open: one request may try; then it is open until that one is over. */
  state(key: string, now: number): CircuitState {
    const circuit = this.#circuits.get(key);
    if (!circuit || circuit.opened === 0) return "closed";
    if (now < circuit.until) return "open";
    // A trial that was never told of (its client left) does not keep the circuit open for ever.
    return circuit.trialSince !== undefined && now - circuit.trialSince < LONGEST_OPEN_NS ? "open" : "half_open";
  }

  /** A request is sent there: in half_open it is the trial. */
  tried(key: string, now: number): void {
    const circuit = this.#circuits.get(key);
    if (circuit && this.state(key, now) === "half_open") circuit.trialSince = now;
  }

  /** It answered: closed, whatever was. */
  succeeded(key: string): void {
    this.#circuits.delete(key);
  }

  /** The device or the engine failed, not the request. Returns true where this opened the circuit. */
  failed(key: string, now: number): boolean {
    const circuit = this.#circuits.get(key) ?? { failures: 0, opened: 0, until: 0, trialSince: undefined };
    this.#circuits.set(key, circuit);
    circuit.failures++;
    circuit.trialSince = undefined;
    if (circuit.opened === 0 && circuit.failures < THRESHOLD) return false;
    if (now < circuit.until) return false; // a straggler of before
    circuit.until = now + Math.min(OPEN_NS * 2 ** circuit.opened, LONGEST_OPEN_NS);
    circuit.opened++;
    return true;
  }

  /** The request that was the trial told nothing (its client left): another may try. */
  undecided(key: string): void {
    const circuit = this.#circuits.get(key);
    if (circuit) circuit.trialSince = undefined;
  }

  /** How much longer, in ns, it stays open; 0: it is not. */
  openNs(key: string, now: number): number {
    return Math.max(0, (this.#circuits.get(key)?.until ?? 0) - now);
  }

  /** Until when, in ns, the circuits that are open stay so. */
  open(now: number): ReadonlyMap<string, number> {
    return new Map(
      [...this.#circuits].filter(([key]) => this.state(key, now) !== "closed").map(([key, { until }]) => [key, until]),
    );
  }
}
