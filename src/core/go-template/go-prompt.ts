/** A conversation as the text that one of Ollama's Go templates makes of it (its template/template.go). Pure. */

import type { Message, Prompt } from "../request.ts";
import { renderGoTemplate } from "./go-rendering.ts";
import { type GoTemplate, parseGoTemplate } from "./go-template.ts";

type Chat = Extract<Prompt, { kind: "chat" }>;

/**
 * Newer templates range over .Messages. Older ones have .System, .Prompt and .Response and are rendered once for each
 * turn, the last time only as far as .Response, where the answer is to follow.
 * @throws ProxyError invalid_template
 */
export function goPrompt(source: string, { messages, tools = [] }: Chat): string {
  const template = parseGoTemplate(source);
  const turns = joined(messages);
  if (!template.fields.has("Messages"))
    return byTurns(template.fields.has("Response") ? template : parseGoTemplate(`${source}{{ .Response }}`), turns);
  const system = turns.filter(({ role }) => role === "system").map(({ content }) => content);
  return renderGoTemplate(template, {
    System: system.join("\n\n"),
    Messages: turns.map((message) => ({ thinking: "", tool_calls: [], tool_name: "", images: [], ...message })),
    Tools: tools,
    Response: "",
  });
}

/** Messages of one role in a row are one message, except the answers of tools. */
function joined(messages: readonly Message[]): readonly Message[] {
  const turns: Message[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last?.role === message.role && message.role !== "tool")
      turns[turns.length - 1] = { ...last, content: `${last.content}\n\n${message.content}` };
    else turns.push(message);
  }
  return turns;
}

function byTurns(template: GoTemplate, messages: readonly Message[]): string {
  const nothing = { System: "", Prompt: "", Response: "" };
  let text = "";
  let turn = { ...nothing };
  const finish = (): void => {
    text += renderGoTemplate(template, turn);
    turn = { ...nothing };
  };
  for (const { role, content } of messages)
    switch (role) {
      case "system":
        if (turn.Prompt !== "" || turn.Response !== "") finish();
        turn.System = content;
        break;
      case "user":
        if (turn.Response !== "") finish();
        turn.Prompt = content;
        break;
      case "assistant":
        turn.Response = content;
        break;
      case "tool":
        break; // these templates have no place for one
    }
  return text + renderGoTemplate(template, turn, "Response");
}
