/** The page of errors has every reason, and no other. */
import { readFileSync } from "node:fs"
import { expect, it } from "vitest"
import { QuicErrorReason } from "../../src/index.ts"
import { root } from "./examples.ts"

it("docs/errors.md says of every reason what it means", () => {
  const rows = readFileSync(`${root}docs/errors.md`, "utf8")
    .split("\n")
    .filter((line) => /^\| `/.test(line))
  const named = rows.flatMap((row) => [...row.split("|")[1].matchAll(/`(\w+)`/g)].map(([, name]) => name))
  const reasons = QuicErrorReason.members.map((member) => member.fields._tag.schema.literal)
  expect(named.sort()).toEqual([...reasons].sort())
  for (const row of rows) expect(row.split("|")[2].trim()).not.toBe("")
})
