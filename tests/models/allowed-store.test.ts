import { expect, test } from "bun:test";
import { allowedStore } from "../../src/models/allowed-store.ts";
import { copyDemo, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestStore } from "../support/model-store.ts";

/** A store of demo, mine and mine:small, behind a list. */
function open(root: string, names: readonly string[]) {
  for (const name of ["mine", "mine+small"]) copyDemo(root, name);
  return allowedStore(openTestStore(root), names);
}

test("models that are not on the list are neither listed nor found; who asks is told what is served", async () => {
  using folder = temporaryFolder();
  const store = open(folder.path, ["Mine:small", "demo@cpu", "absent"]);
  expect((await store.list()).map(({ name }) => name).sort()).toEqual(["demo:latest", "mine:small"]);
  expect((await store.inventory()).models).toHaveLength(2);
  expect((await store.get("MINE:small")).name).toBe("mine:small");
  expect((await store.get("demo:latest")).name).toBe("demo:latest");
  for (const name of ["mine", "nope", "../x", ""])
    expect(await failure(store.get(name))).toMatchObject({
      code: "model_not_found",
      message: `model '${name}' not found: this server serves only Mine:small, demo:latest, absent:latest (--allow-models)`,
    });
  expect(await failure(store.get("absent"))).toMatchObject({ code: "model_not_found" });
});

test("without a list all are served; a name that is none is refused at the start", () => {
  using folder = temporaryFolder();
  const all = openTestStore(folder.path);
  expect(allowedStore(all, [])).toBe(all);
  expect(() => allowedStore(all, ["demo", "a/b/c"])).toThrow(
    expect.objectContaining({ code: "invalid_setting", message: expect.stringContaining('"a/b/c"') }),
  );
});
