import { describe, expect, test } from "bun:test";
import { posix, win32 } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import { folderOf, formatReference, localName, nameOf, parseReference } from "../../src/models/reference.ts";

function refusalOf(text: string): ProxyError {
  try {
    parseReference(text);
  } catch (error) {
    if (error instanceof ProxyError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(text.slice(0, 80))}`);
}

/** Numbers from a seed: a failing run can be run again. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

describe("names", () => {
  test.each([
    ["tinyllama", { kind: "model", name: "tinyllama", tag: "latest" }],
    ["tinyllama:fp16", { kind: "model", name: "tinyllama", tag: "fp16" }],
    ["Llama3.2:LATEST", { kind: "model", name: "Llama3.2", tag: "latest" }],
    ["phi-3@refs/pr/1", { kind: "model", name: "phi-3", tag: "latest", revision: "refs/pr/1" }],
    ["OpenVINO/x", { kind: "repository", organisation: "OpenVINO", repository: "x", tag: "latest" }],
    ["hf.co/a/b:Q4_K_M", { kind: "repository", organisation: "a", repository: "b", tag: "Q4_K_M" }],
    ["HuggingFace.co/a/b", { kind: "repository", organisation: "a", repository: "b", tag: "latest" }],
    ["https://hf.co/a/b", { kind: "repository", organisation: "a", repository: "b", tag: "latest" }],
    [
      "a/b-GGUF:b.Q8_0.gguf@main",
      { kind: "repository", organisation: "a", repository: "b-GGUF", tag: "b.Q8_0.gguf", revision: "main" },
    ],
  ] as const)("%s is read", (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
  });

  test("are printed with their tag, and with the revision only where it is asked for", () => {
    expect(formatReference(parseReference("tinyllama"))).toBe("tinyllama:latest");
    expect(formatReference(parseReference("hf.co/OpenVINO/x@abc"))).toBe("OpenVINO/x:latest@abc");
    expect(localName(parseReference("hf.co/OpenVINO/x@abc"))).toBe("OpenVINO/x:latest");
  });

  test.each([
    ["tinyllama:latest", "tinyllama"],
    ["tinyllama:fp16", "tinyllama+fp16"],
    ["OpenVINO/x:latest", "OpenVINO/x"],
    ["OpenVINO/x:Q4_K_M", "OpenVINO/x+Q4_K_M"],
  ])("%s lies in %s, and the folder has that name", (name, folder) => {
    expect(folderOf(name)).toBe(folder);
    expect(nameOf(folder)).toBe(name);
  });

  test.each(["", ".previous", ".partial/x", "a+latest", "a:fp16", "a+b+c", "a/b/c", "hf.co/a/b", "a@b", "nul", "x."])(
    "the folder %p is no model's",
    (folder) => {
      expect(nameOf(folder)).toBeUndefined();
    },
  );
});

describe("hostile names are refused with a reason", () => {
  test.each([
    ["", "it is empty"],
    ["..", "it is a path"],
    ["../x", "it is a path"],
    ["..\\x", "it is a path"],
    ["/etc/passwd", "it is a path"],
    ["\\\\host\\share", "it is a path"],
    ["C:\\x", "it is a path"],
    ["c:/x", "it is a path"],
    ["~/x", "it is a path"],
    ["a/../b", "more than one /"],
    ["a/..", 'its repository ".." is none'],
    ["./a", "it is a path"],
    [".hidden", 'its name ".hidden" is none'],
    ["..%2fx", "U+0025"],
    ["a\\b", "U+005C"],
    ["a b", "U+0020"],
    ["a\0", "U+0000"],
    ["a\n", "U+000A"],
    ["tіnyllama", "U+0456"],
    ["tiny\u202ellama", "U+202E"],
    ["ﬁ", "U+FB01"],
    ["\ud800", "U+D800"],
    ["😀", "U+1F600"],
    ["CON", "a device"],
    ["nul.tar", "a device"],
    ["com1", "a device"],
    ["aux/x", "a device"],
    ["x/lpt9.bin", "a device"],
    ["prn:fp16", "a device"],
    ["x.", "ends with a dot"],
    ["x:1.", "ends with a dot"],
    ["a/b.", "ends with a dot"],
    ["x:", "its tag is empty"],
    ["x@", "its revision is empty"],
    ["x:a:b", "more than one :"],
    ["x@a@b", "more than one @"],
    [":fp16", "its name is empty"],
    ["a/", "its repository is empty"],
    ["a//b", "more than one /"],
    ["x:../../y", 'its tag "../../y" is none'],
    ["x:-rf", 'its tag "-rf" is none'],
    ["--help", 'its name "--help" is none'],
    ["x@../main", 'its revision ".." is none'],
    ["x@a//b", "its revision is empty"],
    [`x@sha256:${"0".repeat(64)}`, "is no revision"],
    ["registry.example/tinyllama", "Other registries are not supported"],
    ["registry.example/library/tinyllama", "models come from the hub alone"],
    ["hf.co/tinyllama", "it names no repository"],
    ["a+b", "U+002B"],
    ["a".repeat(81), "its name has 81 characters, where 80 are the most"],
    [`a:${"b".repeat(81)}`, "its tag has 81 characters"],
    [`a/${"b".repeat(97)}`, "its repository has 97 characters, where 96 are the most"],
    [`a@${"b".repeat(201)}`, "its revision has 201 characters"],
    ["a".repeat(10_000), "it has 10000 characters, where 500 are the most"],
  ])("%p", (text, reason) => {
    const error = refusalOf(text);
    expect(error).toMatchObject({ code: "invalid_request", param: "model" });
    expect(error.message).toContain(reason);
    expect(error.message).toMatch(/^[ -~…]+$/);
    expect(error.message.length).toBeLessThan(500);
  });
});

describe("of 200,000 random texts", () => {
  const pieces = [
    ..."aZ0_-.:/@\\ +%~\0é\u202e",
    "..",
    "../",
    "CON",
    "nul.",
    "latest",
    "hf.co/",
    "https://hf.co/",
    "OpenVINO/",
    "x".repeat(40),
    "\ud83d",
  ];
  const roll = dice(20_261_121);
  const texts = Array.from({ length: 200_000 }, () =>
    Array.from({ length: roll(7) }, () => pieces[roll(pieces.length)] ?? "").join(""),
  );
  const accepted = texts.filter((text) => {
    try {
      parseReference(text);
      return true;
    } catch (error) {
      if (error instanceof ProxyError && error.code === "invalid_request") return false;
      throw error;
    }
  });

  test("enough are names, and enough are not", () => {
    expect(accepted.length).toBeGreaterThan(2000);
    expect(accepted.length).toBeLessThan(texts.length - 2000);
  });

  test("each accepted one is read from its own printed form as the same", () => {
    for (const text of accepted) {
      const reference = parseReference(text);
      expect(parseReference(formatReference(reference))).toEqual(reference);
      expect(parseReference(localName(reference)).tag).toBe(reference.tag);
    }
  });

  test("no accepted one leaves the store's folder, on Linux or on Windows, and each folder has one name", () => {
    for (const text of accepted) {
      const name = localName(parseReference(text));
      const folder = folderOf(name);
      const parts = folder.split("/");
      expect(nameOf(folder)).toBe(name);
      for (const [path, root] of [
        [posix, "/store"],
        [win32, "D:\\store"],
      ] as const) {
        const place = path.join(root, folder);
        expect(place).toBe([root, ...parts].join(path.sep));
        expect(path.resolve(place)).toBe(place);
      }
      for (const part of parts) {
        expect(part).not.toMatch(/^\.|\.$|[<>:"|?*\\\s]/);
        expect(part.split(".")[0]).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)$/i);
        expect(part.length).toBeLessThan(256);
      }
    }
  });
});
