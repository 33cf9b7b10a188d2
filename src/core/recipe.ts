/** What a derived model adds to each prompt. Pure. */
import { goPrompt } from "./go-template/go-prompt.ts";
import type { Recipe } from "./model.ts";
import type { Message, Prompt } from "./request.ts";

/**
 * A prompt as the recipe wants it: its system message where the conversation has none, its messages in front, its
 * template in the place of the model's own. The prompt's own template wins, and a raw prompt stays as it is.
 * @throws ProxyError invalid_template
 */
export function applyRecipe(prompt: Prompt, recipe: Recipe | undefined): Prompt {
  if (prompt.kind === "text" || recipe === undefined) return prompt;
  const chat = { ...prompt, messages: withMessages(prompt.messages, recipe) };
  if (prompt.template !== undefined || recipe.template === undefined) return chat;
  const { kind, source } = recipe.template;
  return kind === "jinja" ? { ...chat, template: source } : { kind: "text", text: goPrompt(source, chat) };
}

/** The system message stays first: many templates refuse one that comes later. */
function withMessages(given: readonly Message[], { system, messages = [] }: Recipe): readonly Message[] {
  const [first, ...rest] = given;
  if (first?.role === "system") return [first, ...messages, ...rest];
  const own: readonly Message[] = system ? [{ role: "system", content: system }] : [];
  return [...own, ...messages, ...given];
}
