import * as Option from "effect/Option"
import { expect, it } from "vitest"
import { emptyTreeView, onLines, onTreeKey, treeFrame, type TreeView } from "../../src/cli/treeView.ts"

const size = { columns: 20, rows: 4 }

const pressing = (view: TreeView, ...names: ReadonlyArray<string>): TreeView =>
  names.reduce((now, name) => {
    const next = onTreeKey(now, {
      input: Option.none(),
      key: { name, ctrl: false, meta: false, shift: false }
    })
    if (typeof next === "string") throw new Error(next)
    return next
  }, view)

const drawn = (view: TreeView) => treeFrame(view, size).map(({ text }) => text.trimEnd())

const lines = (count: number) => Array.from({ length: count }, (_, i) => `line ${i} of a tree, and more`)

it("tree --watch shows as much as fits, and moves over the rest", () => {
  const view = onLines(emptyTreeView, lines(5))
  expect(drawn(view)).toEqual([
    "line 0 of a tree, a…",
    "line 1 of a tree, a…",
    "line 2 of a tree, a…",
    "q quit  ↑↓←→ move"
  ])
  expect(drawn(pressing(view, "down", "right"))).toEqual([
    "a tree, and more",
    "a tree, and more",
    "a tree, and more",
    "q quit  ↑↓←→ move"
  ])
  expect(treeFrame(pressing(view, "down"), { columns: 80, rows: 4 }).at(-1)?.text.trimEnd()).toBe(
    "q quit  ↑↓←→ move  2–4 of 5"
  )
  expect(drawn(pressing(view, "end", "pagedown"))[0]).toBe("line 4 of a tree, a…")
  expect(drawn(pressing(view, "end", "right", "home"))[0]).toBe("line 0 of a tree, a…")
  expect(drawn(pressing(view, "left", "up"))[0]).toBe("line 0 of a tree, a…")
})

it("tree --watch stays where the user is when the tree changes, as far as there are lines", () => {
  const view = pressing(onLines(emptyTreeView, lines(9)), "down", "down", "down")
  expect(drawn(onLines(view, lines(8)))[0]).toContain("line 3")
  expect(drawn(onLines(view, lines(2)))[0]).toContain("line 1")
})

it("tree --watch fills the terminal exactly, whatever its size", () => {
  for (const columns of [1, 20, 200])
    for (const rows of [1, 2, 30]) {
      const frame = treeFrame(onLines(emptyTreeView, lines(9)), { columns, rows })
      expect(frame).toHaveLength(rows)
      expect(Math.max(...frame.map(({ text }) => text.length))).toBeLessThanOrEqual(columns)
    }
})
