/** A file of a repository, as the hub lists it: checked before any part of it becomes a path, a URL or a comparison. */
import {
  type InferOutput,
  minValue,
  number,
  object,
  optional,
  pipe,
  regex,
  safeInteger,
  safeParse,
  string,
} from "valibot";
import { refused } from "./hub-error.ts";

export interface HubFile {
  /** Relative, segments separated by "/"; no segment is empty, "." or "..". */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** 64 hex digits; of LFS files alone. */
  readonly sha256?: string;
  /** Git's blob id, 40 hex digits; of an LFS file that of its pointer. */
  readonly oid: string;
}

const size = pipe(number(), safeInteger(), minValue(0));
const entry = object({
  type: string(),
  path: string(),
  size,
  oid: pipe(string(), regex(/^[0-9a-f]{40}$/)),
  lfs: optional(object({ oid: pipe(string(), regex(/^[0-9a-f]{64}$/)), size })),
});

/** Names that Windows takes for devices, whatever their extension. */
const DEVICE = /^(con|prn|aux|nul|(com|lpt)[\d¹²³]|conin\$|conout\$) *(\.|$)/i;

/**
 * Whether a path can be joined to a folder on Linux and on Windows alike: relative, no "..", no backslash, colon or control
 * character, nothing that Windows reads as a device or trims. Segments of 1-200 characters, eight at most.
 */
export function isSafePath(path: string): boolean {
  const segments = path.split("/");
  return segments.length <= 8 && segments.every(isSafeSegment);
}

function isSafeSegment(segment: string): boolean {
  const plain = segment.length > 0 && segment.length <= 200 && segment.isWellFormed();
  return plain && !/[\\:*?"<>|\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|^\.{1,2}$|[. ]$/u.test(segment) && !DEVICE.test(segment);
}

/** One entry of the hub's list; undefined for a folder.
 *  @throws ProxyError hub_failed for a name, a size or a hash that cannot be one */
export function parseHubFile(value: unknown, repository: string): HubFile | undefined {
  const { success, output } = safeParse(entry, value);
  if (!success)
    throw refused(`The hub's list of the files of ${repository} has an entry that is none. Try again later.`);
  return output.type === "directory" ? undefined : checked(output, repository);
}

function checked({ path, size, oid, lfs }: InferOutput<typeof entry>, repository: string): HubFile {
  if (!isSafePath(path))
    throw refused(`${repository} has a file whose name cannot be stored: ${JSON.stringify(path.slice(0, 80))}.`);
  if (lfs !== undefined && lfs.size !== size)
    throw refused(`The hub tells two sizes of "${path}" of ${repository}. Try again later.`);
  return lfs === undefined ? { path, size, oid } : { path, size, oid, sha256: lfs.oid };
}
