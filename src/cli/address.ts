/** Where the server is, as the settings say. */
import { isIP } from "node:net";

/** Whether a host name or IP address can only mean this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** The address to ask a server at that listens on `host`: who listens everywhere is asked on loopback. */
export function reachableHost(host: string): string {
  return { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
}

/** The URL of a host name or IP address, without a slash at its end. */
export function serverUrl(host: string, port: number): string {
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
