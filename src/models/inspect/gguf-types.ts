/** The types that GGUF tensors and files have, by ggml's numbers. */

/** Name, weights of a block, bytes of a block. */
const TENSOR_TYPES: Readonly<Record<number, readonly [name: string, weights: number, bytes: number]>> = {
  0: ["F32", 1, 4],
  1: ["F16", 1, 2],
  2: ["Q4_0", 32, 18],
  3: ["Q4_1", 32, 20],
  6: ["Q5_0", 32, 22],
  7: ["Q5_1", 32, 24],
  8: ["Q8_0", 32, 34],
  9: ["Q8_1", 32, 36],
  10: ["Q2_K", 256, 84],
  11: ["Q3_K", 256, 110],
  12: ["Q4_K", 256, 144],
  13: ["Q5_K", 256, 176],
  14: ["Q6_K", 256, 210],
  15: ["Q8_K", 256, 292],
  16: ["IQ2_XXS", 256, 66],
  17: ["IQ2_XS", 256, 74],
  18: ["IQ3_XXS", 256, 98],
  19: ["IQ1_S", 256, 50],
  20: ["IQ4_NL", 32, 18],
  21: ["IQ3_S", 256, 110],
  22: ["IQ2_S", 256, 82],
  23: ["IQ4_XS", 256, 136],
  24: ["I8", 1, 1],
  25: ["I16", 1, 2],
  26: ["I32", 1, 4],
  27: ["I64", 1, 8],
  28: ["F64", 1, 8],
  29: ["IQ1_M", 256, 56],
  30: ["BF16", 1, 2],
  34: ["TQ1_0", 256, 54],
  35: ["TQ2_0", 256, 66],
  39: ["MXFP4", 32, 17],
};

/** Types of weights that GenAI's reader takes (tried with 2026.4). */
export const READABLE: readonly string[] = ["F16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K"];

const UNREADABLE_NAME = /(?:^|[._-])(?:Q[235]\w*|I?Q1\w*|IQ\d\w*|TQ\d\w*|BF16|F32|MXFP4\w*)\.gguf$/i;

/** Whether a file's name ends in a type that GenAI does not take: "Llama-3.2-1B-Q5_K_M.gguf". */
export function hasUnreadableName(path: string): boolean {
  return UNREADABLE_NAME.test(path);
}

/** general.file_type: what most weights of the file are. */
const FILE_TYPES: Readonly<Record<number, string>> = {
  0: "F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  7: "Q8_0",
  8: "Q5_0",
  9: "Q5_1",
  10: "Q2_K",
  11: "Q3_K_S",
  12: "Q3_K_M",
  13: "Q3_K_L",
  14: "Q4_K_S",
  15: "Q4_K_M",
  16: "Q5_K_S",
  17: "Q5_K_M",
  18: "Q6_K",
  32: "BF16",
};

/** "Q4_K"; "type 77" for one that this program does not know. */
export function tensorTypeName(type: number): string {
  return TENSOR_TYPES[type]?.[0] ?? `type ${type}`;
}

/** Least bytes of a tensor; 0 for a type that this program does not know. */
export function tensorBytes(type: number, elements: number): number {
  const [, weights, bytes] = TENSOR_TYPES[type] ?? ["", 1, 0];
  return Math.ceil(elements / weights) * bytes;
}

/** "Q4_K_M"; undefined for a number that this program does not know. */
export function fileTypeName(type: unknown): string | undefined {
  return typeof type === "number" ? FILE_TYPES[type] : undefined;
}
