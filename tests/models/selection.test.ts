import { expect, test } from "bun:test";
import { selectFiles } from "../../src/models/pull/selection.ts";

const listed = (...paths: readonly string[]) =>
  paths.map((path, index) => ({ path, size: 1000 - index, oid: "0".repeat(40) }));
const select = (tag: string, ...paths: readonly string[]) => selectFiles("test/model", listed(...paths), tag);
const taken = (tag: string, ...paths: readonly string[]) => select(tag, ...paths).files.map(({ path }) => path);

test("without a tag a GGUF type is taken that GenAI can read", () => {
  expect(taken("latest", "m-BF16.gguf", "m-Q8_0.gguf", "m-IQ4_XS.gguf")).toEqual(["m-Q8_0.gguf"]);
  expect(taken("latest", "m.Q2_K.gguf", "m.Q5_K_M.gguf", "m.f16.gguf")).toEqual(["m.f16.gguf"]);
  expect(taken("latest", "m-IQ1_S.gguf", "m-q4.gguf")).toEqual(["m-q4.gguf"]);
});

test("a repository whose GGUF files are all of other types is taken by its safetensors, or refused with the types", () => {
  expect(select("latest", "m.BF16.gguf", "model.safetensors", "config.json").format).toBe("source");
  const refusal = { code: "model_invalid", message: expect.stringMatching(/m\.BF16\.gguf, m\.Q5_K_M\.gguf.*Q4_K/) };
  expect(() => select("latest", "m.BF16.gguf", "m.Q5_K_M.gguf")).toThrow(expect.objectContaining(refusal));
});

test("a type that cannot be read is refused when it is asked for, with those that can", () => {
  for (const tag of ["Q5_K_M", "q5_k_m", "m.Q5_K_M.gguf", "IQ4_XS", "BF16"])
    expect(() => select(tag, "m.Q5_K_M.gguf", "m.Q4_K_M.gguf", "m.IQ4_XS.gguf", "m.BF16.gguf")).toThrow(
      expect.objectContaining({
        code: "model_invalid",
        message: expect.stringMatching(/cannot be read.*It has m\.Q4_K_M\.gguf\./),
      }),
    );
  expect(taken("Q4_K_M", "m.Q5_K_M.gguf", "m.Q4_K_M.gguf")).toEqual(["m.Q4_K_M.gguf"]);
});
