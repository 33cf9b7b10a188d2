import { expect, test } from "bun:test";
import type { Recipe } from "../../src/core/model.ts";
import { applyRecipe } from "../../src/core/recipe.ts";
import type { Message, Prompt } from "../../src/core/request.ts";

const user: Message = { role: "user", content: "Hi" };
const system = (content: string): Message => ({ role: "system", content });
const example: readonly Message[] = [
  { role: "user", content: "2+2?" },
  { role: "assistant", content: "4" },
];
const chat = (messages: readonly Message[], template?: string): Prompt => ({
  kind: "chat",
  messages,
  ...(template !== undefined && { template }),
});
const recipe = (more: Partial<Recipe>): Recipe => ({ parent: "base:latest", ...more });

test.each<[string, Prompt, Recipe | undefined, Prompt]>([
  ["no recipe", chat([user]), undefined, chat([user])],
  ["an empty recipe", chat([user]), recipe({}), chat([user])],
  ["a system message", chat([user]), recipe({ system: "Be brief." }), chat([system("Be brief."), user])],
  [
    "the request's system message wins",
    chat([system("Own"), user]),
    recipe({ system: "S" }),
    chat([system("Own"), user]),
  ],
  [
    "messages stand in front, behind the system message",
    chat([system("Own"), user]),
    recipe({ system: "S", messages: example }),
    chat([system("Own"), ...example, user]),
  ],
  [
    "system and messages",
    chat([user]),
    recipe({ system: "S", messages: example }),
    chat([system("S"), ...example, user]),
  ],
  [
    "a Jinja template",
    chat([user]),
    recipe({ template: { kind: "jinja", source: "{{ messages }}" } }),
    chat([user], "{{ messages }}"),
  ],
  [
    "a Go template",
    chat([user]),
    recipe({ system: "S", template: { kind: "go", source: "<{{ .System }}>{{ .Prompt }}:{{ .Response }}!" } }),
    { kind: "text", text: "<S>Hi:" },
  ],
  [
    "the prompt's own template wins",
    chat([user], "own"),
    recipe({ template: { kind: "go", source: "{{ .Prompt }}" } }),
    chat([user], "own"),
  ],
  [
    "a raw prompt",
    { kind: "text", text: "raw" },
    recipe({ system: "S", messages: example }),
    { kind: "text", text: "raw" },
  ],
])("%s", (_, prompt, given, expected) => {
  expect(applyRecipe(prompt, given)).toEqual(expected);
});

test("a broken Go template is the request's error", () => {
  const broken = recipe({ template: { kind: "go", source: "{{ .Nonsense }}" } });
  expect(() => applyRecipe(chat([user]), broken)).toThrow(expect.objectContaining({ code: "invalid_template" }));
});
