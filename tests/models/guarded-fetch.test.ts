import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import { zoneOf } from "../../src/models/hub/address-zone.ts";
import { createGuardedFetch } from "../../src/models/hub/guarded-fetch.ts";
import { DEMO } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { demoRepository, startHub, type TestHub } from "../support/hub.ts";

const TOKEN = "hf_secret_of_a_test";

let hub: TestHub;
/** Another origin, which must never see the token. */
let foreign: TestHub;

beforeAll(async () => {
  hub = await startHub();
  foreign = await startHub();
  hub.addRepository("test/demo", demoRepository());
});

afterAll(() => {
  hub.stop();
  foreign.stop();
});

/** What a fetch to a public hub is asked for, without any network: each host answers as the table says. */
function publicHub(
  answers: Readonly<Record<string, () => Response>>,
  addresses: Readonly<Record<string, string>> = {},
) {
  const asked: { url: string; authorization: string | null }[] = [];
  const guarded = createGuardedFetch({
    endpoint: "https://hub.example",
    token: TOKEN,
    fetch: (async (url: URL, init: RequestInit) => {
      asked.push({ url: url.href, authorization: new Headers(init.headers).get("Authorization") });
      return answers[url.href]?.() ?? new Response("bytes");
    }) as typeof fetch,
    resolve: async (name) => [addresses[name] ?? "93.184.216.34"],
  });
  return { asked, guarded };
}

function redirect(to: string): () => Response {
  return () => new Response(null, { status: 302, headers: { Location: to } });
}

describe("the token", () => {
  test("goes to the hub, and not to the host that the hub redirects to", async () => {
    const guarded = createGuardedFetch({ endpoint: hub.url, token: TOKEN });
    const before = hub.requests.length;
    const response = await guarded.follow(`${hub.url}/test/demo/resolve/main/openvino_model.bin`);
    expect((await response.bytes()).length).toBe(statSync(join(DEMO, "openvino_model.bin")).size);
    expect(guarded.own(response)).toBe(false);
    expect(hub.requests.slice(before).map(({ origin, authorization }) => [origin, authorization])).toEqual([
      ["hub", `Bearer ${TOKEN}`],
      ["cdn", undefined],
    ]);
  });

  test("is not sent to another origin, whichever way a request gets there", async () => {
    const guarded = createGuardedFetch({ endpoint: hub.url, token: TOKEN });
    const headers = { Authorization: `Bearer ${TOKEN}`, Cookie: `token=${TOKEN}` };
    hub.fault({ path: "/leak/", times: 1 }, { redirectTo: `${foreign.url}/test/demo/resolve/main/config.json` });
    await guarded.follow(`${hub.url}/leak/me/resolve/main/config.json`, { headers, token: TOKEN });
    await guarded.follow(`${foreign.url}/direct`, { headers });
    expect(foreign.requests.length).toBe(2);
    expect(JSON.stringify(foreign.requests)).not.toContain("secret");
  });

  test("one for a single request takes the place of the configured one", async () => {
    const guarded = createGuardedFetch({ endpoint: hub.url, token: TOKEN });
    await guarded(`${hub.url}/api/whoami-v2`, { token: "hf_other" });
    expect(hub.requests.at(-1)?.authorization).toBe("Bearer hf_other");
  });

  test("is not sent in the clear to a host that is not this machine", async () => {
    let authorization: string | null = "unasked";
    const guarded = createGuardedFetch({
      endpoint: "http://mirror.example",
      token: TOKEN,
      fetch: (async (_: URL, init: RequestInit) => {
        authorization = new Headers(init.headers).get("Authorization");
        return new Response("{}");
      }) as typeof fetch,
    });
    await guarded("http://mirror.example/api/models");
    expect(authorization).toBeNull();
  });

  test("that no header can carry is refused without being repeated", async () => {
    const guarded = createGuardedFetch({ endpoint: hub.url, token: "hf_\nX-Secret: yes" });
    const error = await failure(guarded(`${hub.url}/api/whoami-v2`));
    expect(error.code).toBe("hub_denied");
    expect(`${error.message}${error.detail}`).not.toContain("Secret");
  });
});

describe("redirects", () => {
  test.each([
    ["http://10.1.2.3/x", "only https"],
    ["https://192.168.1.1/x", "a private address"],
    ["https://169.254.169.254/latest/meta-data", "a reserved address"],
    ["http://169.254.169.254/latest/meta-data", "only https"],
    ["https://[fd00::1]/", "a private address"],
    ["https://[fe80::1]/", "a reserved address"],
    ["https://[::ffff:10.0.0.1]/", "a private address"],
    ["https://[64:ff9b::a00:1]/", "a private address"],
    ["https://0x0a000001/", "a private address"],
    ["https://0/", "a reserved address"],
    ["http://93.184.216.34/", "only https"],
    ["https://user:password@93.184.216.34/", "a user name"],
    ["ftp://93.184.216.34/", "only https"],
    ["file:///etc/passwd", "only https"],
    ["https://", "no URL"],
  ])("of a hub on this machine to %s are refused: %s", async (to, why) => {
    hub.fault({ path: "/away/", times: 1 }, { redirectTo: to });
    const guarded = createGuardedFetch({ endpoint: hub.url, token: TOKEN });
    const error = await failure(guarded.follow(`${hub.url}/away/x/resolve/main/a`));
    expect(error.code).toBe("hub_failed");
    expect(error.message).toContain(why);
    expect(error.message).not.toContain("password@");
  });

  test.each([
    ["https://localhost/"],
    ["https://localhost./"],
    ["https://a.localhost/"],
    ["https://127.0.0.1:8443/"],
    ["https://127.1/"],
    ["https://2130706433/"],
    ["https://[::1]/"],
    ["https://[::ffff:127.0.0.1]/"],
    ["https://inside.example/"],
    ["https://hub.example:8443@inside.example/"],
    ["http://cdn.example/"],
    ["http://hub.example/"],
  ])("of a public hub to %s are refused before anything is sent there", async (to) => {
    const { asked, guarded } = publicHub({ "https://hub.example/a": redirect(to) }, { "inside.example": "10.0.0.7" });
    expect((await failure(guarded.follow("https://hub.example/a"))).code).toBe("hub_failed");
    expect(asked.map(({ url }) => url)).toEqual(["https://hub.example/a"]);
  });

  test("of a public hub to a public host are followed, and checked again at every hop", async () => {
    const { asked, guarded } = publicHub(
      {
        "https://hub.example/a": redirect("https://cdn.example/b"),
        "https://cdn.example/b": redirect("//other.example/c"),
        "https://hub.example/bad": redirect("https://cdn.example/bad"),
        "https://cdn.example/bad": redirect("https://inside.example/c"),
      },
      { "inside.example": "127.0.0.1" },
    );
    expect(await (await guarded.follow("https://hub.example/a")).text()).toBe("bytes");
    expect((await failure(guarded.follow("https://hub.example/bad"))).message).toContain("a loopback address");
    expect(asked).toEqual([
      { url: "https://hub.example/a", authorization: `Bearer ${TOKEN}` },
      { url: "https://cdn.example/b", authorization: null },
      { url: "https://other.example/c", authorization: null },
      { url: "https://hub.example/bad", authorization: `Bearer ${TOKEN}` },
      { url: "https://cdn.example/bad", authorization: null },
    ]);
  });

  test("of a hub in a private network may stay in it", async () => {
    const guarded = createGuardedFetch({
      endpoint: "https://hub.corp",
      fetch: (async (url: URL) =>
        url.host === "hub.corp" ? redirect("https://store.corp/b")() : new Response("bytes")) as typeof fetch,
      resolve: async (name) => [name === "hub.corp" ? "10.0.0.1" : "10.0.0.2"],
    });
    expect(await (await guarded.follow("https://hub.corp/a")).text()).toBe("bytes");
  });

  test("that never end do", async () => {
    hub.fault({ path: "/loop/" }, { redirectLoop: true });
    const guarded = createGuardedFetch({ endpoint: hub.url });
    const before = hub.requests.length;
    expect((await failure(guarded.follow(`${hub.url}/loop/x/resolve/main/a`))).message).toContain("more than 6 times");
    expect(hub.requests.length - before).toBe(7);
  });

  test("of metadata are followed within the hub and nowhere else", async () => {
    const guarded = createGuardedFetch({ endpoint: hub.url, token: TOKEN });
    hub.fault({ path: "old/name", times: 1 }, { redirectTo: "/api/models/test/demo" });
    const moved = await guarded(`${hub.url}/api/models/old/name`);
    expect(((await moved.json()) as { id: string }).id).toBe("test/demo");
    const before = foreign.requests.length;
    hub.fault({ path: "old/name", times: 1 }, { redirectTo: `${foreign.url}/api/models/test/demo` });
    expect((await failure(guarded(`${hub.url}/api/models/old/name`))).code).toBe("hub_failed");
    expect((await failure(guarded(`${foreign.url}/api/models?cursor=2`))).code).toBe("hub_failed");
    expect(foreign.requests.length).toBe(before);
  });
});

describe("a hub that does not answer", () => {
  test("is told apart from one that answers nonsense", async () => {
    const closed = await startHub();
    closed.stop();
    const guarded = createGuardedFetch({ endpoint: closed.url, token: TOKEN });
    const error = await failure(guarded(`${closed.url}/api/models`));
    expect(error.code).toBe("hub_unreachable");
    expect(error.message).toContain("HF_ENDPOINT");
    expect(`${error.message}${error.detail}`).not.toContain("secret");
  });

  test.each([["metadata"], ["follow"]] as const)("is given up at the deadline: %s", async (way) => {
    const silent = (async (_: URL, { signal }: RequestInit) =>
      new Promise((_resolve, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason)),
      )) as typeof fetch;
    const guarded = createGuardedFetch({ endpoint: "https://hub.example", fetch: silent, deadlineMs: 5 });
    const url = "https://hub.example/api/models";
    expect((await failure(way === "follow" ? guarded.follow(url) : guarded(url))).code).toBe("hub_unreachable");
  });

  test("is given up when metadata stalls halfway", async () => {
    hub.fault({ path: "/stalling/", times: 1 }, { stall: true });
    hub.addRepository("stalling/demo", { files: { "a.txt": Buffer.alloc(100) } });
    const guarded = createGuardedFetch({ endpoint: hub.url, deadlineMs: 200 });
    const error = await failure(guarded(`${hub.url}/stalling/demo/resolve/main/a.txt`));
    expect(error.code).toBe("hub_unreachable");
  });

  test("is left when the caller leaves, with the caller's own reason", async () => {
    const reason = new Error("the caller left");
    const guarded = createGuardedFetch({ endpoint: hub.url });
    const control = new AbortController();
    hub.addRepository("stalling/demo", { files: { "a.txt": Buffer.alloc(100) } });
    hub.fault({ path: "/stalling/", times: 1 }, { stall: true });
    const asked = guarded(`${hub.url}/stalling/demo/resolve/main/a.txt`, { signal: control.signal });
    control.abort(reason);
    expect(await asked.catch((error: unknown) => error)).toBe(reason);
    expect(await guarded(hub.url, { signal: control.signal }).catch((error: unknown) => error)).toBe(reason);
  });

  test("metadata without end is refused", async () => {
    hub.fault({ path: "/api/endless", times: 1 }, { status: 200, body: "x".repeat(33 << 20) });
    const guarded = createGuardedFetch({ endpoint: hub.url });
    expect((await failure(guarded(`${hub.url}/api/endless`))).message).toContain("more than 32 MiB");
  });
});

test.each([
  [""],
  ["hub.example"],
  ["ftp://hub.example"],
  ["https://user:password@hub.example"],
  ["https://hub.example/?token=password"],
  ["file:///etc"],
])("the endpoint %p is refused, and no password in it repeated", (endpoint) => {
  let thrown: unknown;
  try {
    createGuardedFetch({ endpoint });
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ProxyError);
  expect((thrown as ProxyError).code).toBe("invalid_setting");
  expect((thrown as ProxyError).message).not.toContain("password");
});

test.each([
  ["127.0.0.1", "loopback"],
  ["::1", "loopback"],
  ["::ffff:7f00:1", "loopback"],
  ["172.31.255.255", "private"],
  ["172.32.0.1", "public"],
  ["100.64.0.1", "private"],
  ["fdff::1", "private"],
  ["::", "reserved"],
  ["224.0.0.1", "reserved"],
  ["255.255.255.255", "reserved"],
  ["fe80::1%eth0", "reserved"],
  ["2606:4700::1111", "public"],
  ["::ffff:1.1.1.1", "public"],
  ["1.1.1.1", "public"],
  ["a name", "reserved"],
] as const)("the zone of %s is %s", (address, zone) => {
  expect(zoneOf(address)).toBe(zone);
});
