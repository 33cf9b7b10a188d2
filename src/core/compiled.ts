/** Models compiled for a device, as they are kept on disk: what is told of each, and which of them can go. Pure. */

/** What was compiled, for which device, by which OpenVINO. */
export interface CompiledOrigin {
  /** The model as listings print it, and the digest of its files. */
  readonly model: string;
  readonly digest: string;
  readonly device: string;
  /** "" where the driver does not tell. */
  readonly architecture: string;
  readonly driver: string;
  readonly emulated: boolean;
  /** The placement's shape, in tokens: its longest prompt, and its longest prompt + answer. */
  readonly maxPromptTokens: number;
  readonly contextLength: number;
  readonly openvino: string;
}

export interface CompiledModel {
  /** Unique among them; the name of its folder. */
  readonly key: string;
  /** Absent: an earlier version of npu-proxy left it, or its note is damaged. No load will find it. */
  readonly origin?: CompiledOrigin;
  readonly bytes: number;
  /** When a placement that was made of it was loaded last, to a few minutes. */
  readonly used: Date;
  /** A placement of this or another process is made of it now. */
  readonly inUse: boolean;
}

/** The folder of compiled models, which several processes may share. */
export interface CompiledModels {
  list(): Promise<readonly CompiledModel[]>;
  /** Whether it is gone. Never throws: one that stays costs room and nothing else. */
  remove(key: string): Promise<boolean>;
}

/** What must go for the rest to take no more than so many bytes: what was not used for longest; never what is in use. */
export function surplus(models: readonly CompiledModel[], mostBytes: number): readonly CompiledModel[] {
  let bytes = models.reduce((sum, model) => sum + model.bytes, 0);
  const idle = models.filter(({ inUse }) => !inUse).sort((a, b) => a.used.getTime() - b.used.getTime());
  return idle.filter((model) => {
    if (bytes <= mostBytes) return false;
    bytes -= model.bytes;
    return true;
  });
}

export interface Needed {
  /** The OpenVINO that this npu-proxy runs: blobs of another are refused by it. */
  readonly openvino: string;
  /** Digests of the models in the store, and names of those that cannot be read at the moment. */
  readonly digests: ReadonlySet<string>;
  readonly damaged: ReadonlySet<string>;
}

/** Why nothing will ever load it; undefined: something may, or does. */
export function uselessness({ origin, inUse }: CompiledModel, needed: Needed): string | undefined {
  if (inUse) return undefined;
  if (!origin) return "left by an earlier version";
  if (origin.openvino !== needed.openvino) return `compiled by OpenVINO ${origin.openvino}`;
  if (needed.digests.has(origin.digest) || needed.damaged.has(origin.model)) return undefined;
  return "its model is gone, or has changed";
}
