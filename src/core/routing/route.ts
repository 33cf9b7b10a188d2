/** The vocabulary of the router: what it is asked, and what it answers. core/routing/router.ts decides. */

import type { Fitness } from "../model.ts";
import type { Device, DeviceInfo, Need } from "../request.ts";
import type { CircuitState } from "../scheduling/circuit.ts";
import type { Speed } from "../speed.ts";
import type { Limits, Shape } from "./limits.ts";

/** Why a request went where it went; a closed list. */
export type RouteReason =
  | "within_npu_limit"
  | "prompt_exceeds_npu_limit"
  | "output_exceeds_npu_limit"
  | "needs_unsupported_by_npu"
  | "npu_busy"
  | "npu_unavailable"
  | "circuit_open"
  | "model_unfit"
  | "insufficient_memory"
  | "requested"
  | "fixed"
  | "fastest";

/** NPU_PROXY_POLICY: by limits; the least expected time; the preferred device alone. */
export type Policy = "context" | "latency" | "fixed";

export interface RouteSettings {
  /** NPU_PROXY_DEVICE: the only device, or auto. */
  readonly device: Device | "auto";
  readonly preferred: Device;
  /** What comes after the preferred one; auto: GPU, then CPU. */
  readonly fallback: Device | "auto";
  readonly policy: Policy;
  /** Requests that may wait for the NPU before further ones go elsewhere. */
  readonly npuQueue: number;
  readonly limits: Limits;
}

/** A device as this request finds it. */
export interface DeviceState {
  readonly device: DeviceInfo;
  /** The model's placement there is loaded. */
  readonly loaded: boolean;
  readonly running: number;
  readonly waiting: number;
  /** Another model has the device and cannot share it (the NPU), or is being loaded there. */
  readonly occupied: boolean;
  readonly circuit: CircuitState;
  /** How long an open circuit stays so, in ms. */
  readonly openMs?: number;
  /** Why the model would not fit into memory there, even after evicting what is idle; a sentence with the numbers. */
  readonly tooLarge: string | undefined;
  /** Why the load-time probe found the model wrong there. */
  readonly unfit: string | undefined;
  readonly speed: Speed | undefined;
  /** How long its last load took, in ms. */
  readonly loadMs: number | undefined;
}

export interface RouteQuestion {
  readonly promptTokens: number;
  /** Most tokens of the answer; undefined: the client named none. */
  readonly outputTokens: number | undefined;
  /** The model's own, or the request's num_ctx where that is less, in tokens. */
  readonly contextLength: number;
  /** The model's own, in tokens: what a placement is loaded for. */
  readonly modelContextLength: number;
  readonly needs: readonly Need[];
  /** The caller's wish. */
  readonly wish: Device | undefined;
  readonly fitness: readonly Fitness[];
  readonly devices: readonly DeviceState[];
}

/** A device that the request may run on. */
export interface Candidate {
  readonly device: DeviceInfo;
  /** Why this one, and not one before it. */
  readonly reason: RouteReason;
  /** What the placement is loaded with. */
  readonly shape: Shape;
  /** Most tokens that the answer may have there. */
  readonly maxTokens: number;
}

/** What became of one device; for people. */
export interface Considered {
  readonly device: DeviceInfo;
  readonly chosen: boolean;
  /** Why not (or why so, of the chosen one). */
  readonly reason: RouteReason | undefined;
  /** Longest prompt that it takes by limits, in tokens. */
  readonly maxPromptTokens: number;
  /** Longest prompt + answer, in tokens. */
  readonly contextLength: number;
  /** Expected time until the answer is complete, in ms, where it was measured. */
  readonly expectedMs: number | undefined;
}

export interface RouteDecision {
  /** Where limits, needs and wishes alone would send it, whatever is busy or broken now. */
  readonly routed: DeviceInfo;
  /** Best first; the others are for when it fails there before its first token. Never empty. */
  readonly candidates: readonly [Candidate, ...Candidate[]];
  readonly considered: readonly Considered[];
  /** The NPU should be given to this model as soon as it can be: another model had it. */
  readonly wantsNpu: boolean;
  /** With wantsNpu: this request there. */
  readonly npu?: Candidate;
}
