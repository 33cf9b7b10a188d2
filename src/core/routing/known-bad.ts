/** Models that are wrong on some generations of a device without any error: the load-time probe may not see it. Pure. */
import type { Model } from "../model.ts";
import { type DeviceInfo, deviceClass } from "../request.ts";

interface Bad {
  /** config.json's model_type. */
  readonly family: RegExp;
  /** As the driver tells the device's architecture. */
  readonly architecture: RegExp;
  readonly reason: string;
}

/** Of NPUs; emulated ones have no architecture. */
const ON_NPU: readonly Bad[] = [
  // openvino #38100: words without sense that never end, over two drivers, three releases and both compilers.
  { family: /^lfm2/, architecture: /\b4000\b/, reason: "LFM2 models give wrong text on NPU 4 (Core Ultra 200V)" },
  // Users' field notes of 2026: garbage in INT8.
  {
    family: /^gemma4/,
    architecture: /\b3720\b/,
    reason: "Gemma 4 models give wrong text on NPU 3 (Core Ultra series 1)",
  },
];

/** Why a model must not be loaded on a device; undefined: nothing is known against it. */
export function knownBad(model: Pick<Model, "family">, device: DeviceInfo): string | undefined {
  if (deviceClass(device.name) !== "NPU") return undefined;
  const architecture = device.architecture ?? "";
  return ON_NPU.find((bad) => bad.family.test(model.family) && bad.architecture.test(architecture))?.reason;
}
