import { describe, expect, test } from "bun:test";
import { parseModelfile, printModelfile } from "../../src/core/modelfile.ts";

describe("parseModelfile", () => {
  test("a line separator within a line is part of its value, and takes no longer to read", () => {
    expect(parseModelfile("SYSTEM one\u2028two").system).toBe("one\u2028two");
    const hostile = `${"a".repeat(1 << 20)} x\u2028y`;
    expect(() => parseModelfile(hostile)).toThrow("is no instruction"); // would take minutes in quadratic time
  });

  test("every instruction, in any case, with comments and blank lines", () => {
    const parsed = parseModelfile(`# a comment
FROM tinyllama:fp16

system You are brief.
Template """{{ .Prompt }}
end"""
PARAMETER temperature 0.2
PARAMETER Stop "<|end|>"
parameter stop User:
PARAMETER num_ctx 4096
PARAMETER use_mmap false
MESSAGE user Hello
MESSAGE assistant """Hi
there"""
LICENSE """MIT
# not a comment"""
LICENSE Apache
`);
    expect(parsed).toEqual({
      from: "tinyllama:fp16",
      system: "You are brief.",
      template: "{{ .Prompt }}\nend",
      parameters: { temperature: 0.2, stop: ["<|end|>", "User:"], num_ctx: 4096, use_mmap: false },
      messages: [
        { role: "user", content: "Hello" },
        { role: "assistant", content: "Hi\nthere" },
      ],
      license: ["MIT\n# not a comment", "Apache"],
    });
  });

  test.each([
    ['SYSTEM """say "hi""""', 'say "hi"'],
    ['SYSTEM "  padded  "', "  padded  "],
    ['SYSTEM "two\nlines"', "two\nlines"],
    ['SYSTEM """\n  indented\n"""', "\n  indented\n"],
    ['SYSTEM say "hi" to them', 'say "hi" to them'],
    ['SYSTEM """"""', ""],
    ["SYSTEM \\n is no escape", "\\n is no escape"],
  ])("the value of %j", (line, value) => {
    for (const text of [
      `FROM x\n${line}`,
      `FROM x\n${line}\nLICENSE y`,
      `\uFEFFFROM x\r\n${line.replaceAll("\n", "\r\n")}\r\n`,
    ])
      expect(parseModelfile(text).system).toBe(value);
  });

  test.each([
    ["FROM a\nFROM b", /Line 2 .* second FROM/],
    ["FROM", /Line 1 .* FROM has no value/],
    ["FROM a\nADAPTER ./lora", /Line 2 .* ADAPTER is not supported/],
    ["FROM a\nSYTEM x", /Line 2 .* "SYTEM" is no instruction/],
    ['FROM a\nSYSTEM """never', /Line 2 .* never closed/],
    ['FROM a\nSYSTEM "never\nclosed', /Line 2 .* never closed/],
    ["FROM a\nMESSAGE robot hi", /Line 2 .* "robot" is no role/],
    ["FROM a\nPARAMETER temperature", /Line 2 .* PARAMETER has no value/],
  ])("%j is refused with its line", (text, says) => {
    expect(() => parseModelfile(text)).toThrow(
      expect.objectContaining({ code: "invalid_request", message: expect.stringMatching(says) }),
    );
  });
});

test("what is printed reads back as it was", () => {
  const texts = [
    "plain",
    " padded ",
    "",
    '"',
    'ends with "',
    "two\nlines\n",
    '"""',
    "# no comment",
    "\ttab",
    "FROM x",
    'a"b',
  ];
  for (const text of texts) {
    const recipe = {
      system: text,
      template: { kind: "go" as const, source: text },
      parameters: { temperature: 0.5, use_mmap: true, stop: [text, "x"] },
      messages: [{ role: "user" as const, content: text || "x" }],
      license: [text || "y", "z"],
    };
    const { template, parameters, ...rest } = recipe;
    const kept = text === "" ? { ...parameters, stop: ["x"] } : parameters;
    expect(parseModelfile(printModelfile("tinyllama:latest", { ...recipe, parameters: kept }))).toEqual({
      from: "tinyllama:latest",
      ...rest,
      parameters: kept,
      template: template.source,
    });
  }
});
