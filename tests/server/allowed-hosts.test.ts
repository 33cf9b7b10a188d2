import { expect, test } from "bun:test";
import { exchangeRaw, startScripted } from "../support/scripted-runtime.ts";

async function statusWith(port: number, headers: string): Promise<string> {
  const answer = await exchangeRaw(port, `GET /api/version HTTP/1.1\r\n${headers}\r\n\r\n`, "\r\n\r\n");
  return answer.slice(9, 12);
}

test.each([
  "localhost",
  "LOCALHOST:80",
  "localhost.",
  "a.localhost",
  "127.0.0.1:9",
  "127.9.9.9",
  "[::1]:80",
  "box.lan",
])("Host %s is let in", async (host) => {
  await using server = await startScripted({ allowedHosts: ["Box.lan"] });
  expect(await statusWith(server.port, `Host: ${host}`)).toBe("200");
});

test.each([
  "evil.example",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "192.168.1.9",
  "notlocalhost",
  "[::2]",
  "",
])("Host %p gets 421", async (host) => {
  await using server = await startScripted();
  const answer = await exchangeRaw(server.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, "--allowed-hosts");
  expect(answer).toContain(" 421 ");
  expect(answer.toLowerCase()).toContain("content-type: text/plain");
  expect(answer.toLowerCase()).toContain("x-request-id: req_");
  expect(answer.toLowerCase()).toContain("x-npu-proxy-error: host_not_allowed");
});

test("HTTP/1.0 needs no Host", async () => {
  await using server = await startScripted();
  expect(await exchangeRaw(server.port, "GET / HTTP/1.0\r\n\r\n", "Ollama is running")).toContain("Ollama is running");
});

test.each(["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080", "http://box.lan"])(
  "a page of %s is let in",
  async (origin) => {
    await using server = await startScripted({ allowedHosts: ["box.lan"] });
    expect(await statusWith(server.port, `Host: localhost\r\nOrigin: ${origin}`)).toBe("200");
  },
);

test.each([
  "https://evil.example",
  "null",
  "http://localhost@evil.example",
  "http://localhost.evil.example",
  "file://",
])("a page of %s gets 403, whatever it posts", async (origin) => {
  await using server = await startScripted();
  const response = await server.post("/v1/chat/completions", '{"model":"demo"}', {
    headers: { Origin: origin, "Content-Type": "text/plain" },
  });
  expect(response.status).toBe(403);
  expect((await response.json()) as unknown).toMatchObject({ error: { code: "host_not_allowed" } });
});
