/** The tags of an XML file one after the other, without a tree: an IR has tens of megabytes of them. */
import { open } from "node:fs/promises";

const CHUNK = 1 << 18;
/** A baked-in chat template is one attribute of one tag. */
const LONGEST_TAG = 4 << 20;

/**
 * Calls `visit` with each tag as it stands between "<" and ">", in latin1 (see `attribute`). What is between tags is
 * skipped. Memory is bounded by one tag and one chunk, time by the file's length.
 * @throws Error with a phrase that says what is wrong: no XML at all, or a tag without an end
 */
export async function scanTags(path: string, visit: (tag: string) => void): Promise<void> {
  const handle = await open(path);
  try {
    const chunk = Buffer.allocUnsafe(CHUNK);
    let carried = "";
    for (let first = true; ; first = false) {
      const { bytesRead } = await handle.read(chunk, 0, CHUNK);
      const read = chunk.toString("latin1", 0, bytesRead);
      if (first && !/^(\u00EF\u00BB\u00BF)?\s*</.test(read.slice(0, 1000))) throw new Error("is no XML");
      if (bytesRead === 0) break;
      carried = visitWholeTags(carried + read, visit);
      if (carried.length > LONGEST_TAG) throw new Error("has a tag without an end");
    }
    if (carried !== "") throw new Error("was cut off");
  } finally {
    await handle.close();
  }
}

/** Returns the beginning of the tag that the text ends within, or "". */
function visitWholeTags(text: string, visit: (tag: string) => void): string {
  // Positions only ever grow: searching again for each tag would take quadratic time where no quote follows.
  let quote = -1;
  for (let start = text.indexOf("<"); start >= 0; ) {
    let at = start;
    let end: number;
    for (;;) {
      end = text.indexOf(">", at);
      if (end < 0) return text.slice(start);
      if (quote < at) quote = indexOrEnd(text, '"', at);
      if (quote > end) break;
      // ">" may stand in an attribute's value as it is
      const closing = text.indexOf('"', quote + 1);
      if (closing < 0) return text.slice(start);
      at = closing + 1;
    }
    visit(text.slice(start + 1, end));
    start = text.indexOf("<", end + 1);
  }
  return "";
}

function indexOrEnd(text: string, what: string, from: number): number {
  const index = text.indexOf(what, from);
  return index < 0 ? text.length : index;
}

/** An attribute's value as it stands in the tag; "" where it has none. */
export function rawAttribute(tag: string, name: string): string {
  const before = ` ${name}="`;
  const start = tag.indexOf(before);
  if (start < 0) return "";
  const end = tag.indexOf('"', start + before.length);
  return end < 0 ? "" : tag.slice(start + before.length, end);
}

const NAMED: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** An attribute's value as text. */
export function attribute(tag: string, name: string): string {
  const text = Buffer.from(rawAttribute(tag, name), "latin1").toString("utf8");
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(lt|gt|amp|quot|apos));/g, (whole, decimal, hex, named) => {
    if (named !== undefined) return NAMED[named] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
