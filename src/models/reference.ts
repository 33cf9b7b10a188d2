/**
 * Names of models: what users and clients write, and the folders that they become. Nothing else ever turns a name into a
 * path. Ollama's rules (types/model/name.go) narrowed to what every file system can hold: ASCII, no name that Windows keeps
 * for itself, no trailing dot. Letters keep their case; names that differ in nothing else are the same name.
 */
import { ProxyError } from "../core/errors.ts";

export const DEFAULT_TAG = "latest";

export type Reference =
  /** A name of the catalogue or the store: "tinyllama", "tinyllama:fp16". */
  | { readonly kind: "model"; readonly name: string; readonly tag: string; readonly revision?: string }
  /** A repository of the hub: "OpenVINO/x", "hf.co/OpenVINO/x:Q4_K_M". */
  | {
      readonly kind: "repository";
      readonly organisation: string;
      readonly repository: string;
      /** "latest", a quantization or a file name. */
      readonly tag: string;
      readonly revision?: string;
    };

const LONGEST = { text: 500, name: 80, repository: 96, revision: 200 };
const HUB = /^(https?:\/\/)?(hf|huggingface)\.co\//i;
const PATH = /^([A-Za-z]:)?[\\/]|^\.{1,2}([\\/]|$)|^~/;
const PART = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
/** Windows opens its device for each of these, whatever the extension and the folder. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * Reads `name[:tag][@revision]` or `[hf.co/]organisation/repository[:tag][@revision]`. Whatever the text, it returns a
 * reference or throws:
 * @throws ProxyError invalid_request, with a sentence that names the fault
 */
export function parseReference(text: string): Reference {
  if (text === "") throw refusal(text, "it is empty");
  if (text.length > LONGEST.text)
    throw refusal(text, `it has ${text.length} characters, where ${LONGEST.text} are the most`);
  if (PATH.test(text)) throw refusal(text, "it is a path; `npu-proxy import` takes a folder into the store");
  const foreign = [...text].find((character) => !/[A-Za-z0-9_.:/@-]/.test(character));
  if (foreign !== undefined)
    throw refusal(text, `the character U+${codePoint(foreign)} cannot be in it; letters, digits and _ . - can`);
  const hosted = HUB.test(text);
  const [path = "", ...revisions] = text.replace(HUB, "").split("@");
  const [bare = "", ...tags] = path.split(":");
  if (revisions.length > 1) throw refusal(text, "it has more than one @");
  if (tags.length > 1) throw refusal(text, "it has more than one : before its revision");
  const end = { tag: tagOf(text, tags[0]), ...revisionOf(text, revisions[0]) };
  const [first = "", second, ...more] = bare.split("/");
  if (more.length > 0)
    throw refusal(text, "it has more than one /: models come from the hub alone, as organisation/repository");
  if (second === undefined) {
    if (hosted) throw refusal(text, "it names no repository; a repository is organisation/repository");
    return { kind: "model", name: part(text, "name", first, LONGEST.name), ...end };
  }
  if (first.includes("."))
    throw refusal(
      text,
      `"${shown(first)}" is no organisation of the hub: those have no dots. Other registries are not supported`,
    );
  return {
    kind: "repository",
    organisation: part(text, "organisation", first, LONGEST.repository),
    repository: part(text, "repository", second, LONGEST.repository),
    ...end,
  };
}

/** The whole reference, always with its tag: parseReference's inverse. */
export function formatReference(reference: Reference): string {
  return `${baseOf(reference)}:${reference.tag}${reference.revision === undefined ? "" : `@${reference.revision}`}`;
}

/** As listings print it, without a revision: "tinyllama:latest", "OpenVINO/x:latest". */
export function localName(reference: Reference): string {
  return `${baseOf(reference)}:${reference.tag}`;
}

/**
 * The folder of a local name, below the models' folder and with "/" on every system: "tinyllama", "tinyllama+fp16",
 * "OpenVINO/x". "+" stands for ":", which is no file name on Windows, and is in no name.
 * @throws ProxyError invalid_request where the name is none
 */
export function folderOf(name: string): string {
  const reference = parseReference(name);
  return reference.tag === DEFAULT_TAG ? baseOf(reference) : `${baseOf(reference)}+${reference.tag}`;
}

/** The local name of a folder ("OpenVINO/x+fp16" with "/" on every system): folderOf's inverse; undefined for a folder of no model. */
export function nameOf(folder: string): string | undefined {
  try {
    const name = localName(parseReference(folder.replace("+", ":")));
    return folderOf(name) === folder ? name : undefined;
  } catch {
    return undefined;
  }
}

function baseOf(reference: Reference): string {
  return reference.kind === "model" ? reference.name : `${reference.organisation}/${reference.repository}`;
}

function tagOf(text: string, tag = DEFAULT_TAG): string {
  const read = part(text, "tag", tag, LONGEST.name);
  return read.toLowerCase() === DEFAULT_TAG ? DEFAULT_TAG : read;
}

/** A branch, a tag or a commit; "refs/pr/1" has slashes. */
function revisionOf(text: string, revision: string | undefined): { readonly revision?: string } {
  if (revision === undefined) return {};
  if (revision.includes(":"))
    throw refusal(text, `"@${shown(revision)}" is no revision; that is a branch, a tag or a commit, behind the tag`);
  if (revision.length > LONGEST.revision)
    throw refusal(text, `its revision has ${revision.length} characters, where ${LONGEST.revision} are the most`);
  for (const segment of revision.split("/")) part(text, "revision", segment, LONGEST.revision);
  return { revision };
}

function part(text: string, what: string, value: string, longest: number): string {
  if (value === "") throw refusal(text, `its ${what} is empty`);
  if (value.length > longest)
    throw refusal(text, `its ${what} has ${value.length} characters, where ${longest} are the most`);
  if (!PART.test(value))
    throw refusal(
      text,
      `its ${what} "${shown(value)}" is none: that begins with a letter, a digit or _ and goes on with these, . and -`,
    );
  if (value.endsWith(".")) throw refusal(text, `its ${what} ends with a dot`);
  if (what !== "revision" && what !== "tag" && RESERVED.test(value))
    throw refusal(text, `Windows keeps the name "${shown(value)}" for a device`);
  return value;
}

function refusal(text: string, fault: string): ProxyError {
  return new ProxyError(
    "invalid_request",
    `"${shown(text)}" is no name of a model: ${fault}. Expected a name such as tinyllama, tinyllama:fp16 or OpenVINO/Qwen3-8B-int4-ov.`,
    { param: "model" },
  );
}

/** What of a hostile text is safe to print. */
function shown(text: string): string {
  const printable = text.slice(0, 80).replace(/[^ -~]/g, "?");
  return text.length > 80 ? `${printable}…` : printable;
}

function codePoint(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
}
