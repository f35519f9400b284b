import * as Option from "effect/Option"
import { expect, it } from "vitest"
import { print } from "../../src/FiberTree.ts"
import {
  folded,
  emptyTreeView,
  onLines,
  onTreeKey,
  treeFrame,
  type TreeView
} from "../../src/cli/treeView.ts"
import { connectionNode, endpointNode, streamNode } from "./topFixtures.ts"

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

it("a tree says which connection it is in logs, and is folded between facts on a narrow terminal", () => {
  const connections = [connectionNode({ streams: [streamNode()] }), connectionNode()]
  const lines = print(endpointNode({ connections })).split("\n")
  expect(folded(lines, 200)).toEqual(lines)
  expect(folded(lines, 80)).toEqual([
    "endpoint 10.0.0.1:4433 · open · 10 s · 1 socket, 5 fibers",
    "├─ connection from 10.0.0.2:50000 · 0123456789abcdef · established · v1",
    "│  │  3.0 s · sent 0 B, received 0 B · 1 waiting · fiber 2",
    "│  ├─ path 0 · 10.0.0.1:4433 → 10.0.0.2:50000 · active · rtt 25.0 ms",
    "│  │     window 14.5 kB · in flight 1.5 kB · 1452 B datagrams",
    "│  └─ stream 0 · 1.0 s · sent 0 B · received 0 B",
    "└─ connection from 10.0.0.2:50000 · 0123456789abcdef · established · v1",
    "   │  3.0 s · sent 0 B, received 0 B · 1 waiting · fiber 2",
    "   └─ path 0 · 10.0.0.1:4433 → 10.0.0.2:50000 · active · rtt 25.0 ms",
    "         window 14.5 kB · in flight 1.5 kB · 1452 B datagrams"
  ])
})
