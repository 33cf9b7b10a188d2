const WELL_FORMED = /^[\w.:+/=@-]{1,128}$/;

/** The client's X-Request-ID where it is well-formed (up to 128 harmless characters), else a fresh `req_` and 24 hex. */
export function requestId(given: string | undefined): string {
  if (given !== undefined && WELL_FORMED.test(given)) return given;
  return `req_${Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString("hex")}`;
}
