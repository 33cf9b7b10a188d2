import { ProxyError } from "../core/errors.ts";

/** Fields whose presence would change the meaning of the answer, each with the values that mean "not used". */
export type Unsupported = Readonly<Record<string, (value: unknown) => boolean>>;

/** null, false, 0, "", [] and {}: a client that sends one of these asks for nothing. */
export function unused(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return !value;
}

/** Besides the unused ones these values are fine. */
export function unusedOr(...values: readonly unknown[]): (value: unknown) => boolean {
  return (value) => unused(value) || values.includes(value);
}

/**
 * Refuses what this version would have to ignore at the price of a different answer.
 * @throws ProxyError unsupported_field naming the field
 */
export function refuseUnsupported(body: Readonly<Record<string, unknown>>, fields: Unsupported, path = ""): void {
  for (const [field, isUnused] of Object.entries(fields))
    if (body[field] !== undefined && !isUnused(body[field])) throw unsupported(path + field);
}

/** The error for a field, by its path, that would change what the answer means. */
export function unsupported(param: string): ProxyError {
  return new ProxyError(
    "unsupported_field",
    `"${param}" is not supported by this version of npu-proxy; leave it out.`,
    {
      param,
    },
  );
}
