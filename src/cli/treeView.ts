/** `effect-quic tree --watch` on a terminal: a text that may be larger than the screen, and what of it is visible. */
import type * as Terminal from "effect/Terminal"
import { cut, flow, join, padEnd } from "./cells.ts"
import type { Line } from "./FullScreen.ts"
import { wrap } from "./presenter.ts"

export interface TreeView {
  readonly lines: ReadonlyArray<string>
  /** The first visible line, and how many cells of each are to the left of the screen. */
  readonly top: number
  readonly left: number
}

export const emptyTreeView: TreeView = { lines: ["looking for processes …"], top: 0, left: 0 }

/** What stands before a node's text: the branches that go past it, and its own. */
const branches = /^(?:[│ ] {2})*(?:[├└]─ )?/

/** The printed tree of an endpoint, with its lines broken between two facts, so that branches stay whole on a narrow terminal. */
export const folded = (lines: ReadonlyArray<string>, columns: number): ReadonlyArray<string> =>
  lines.flatMap((line, i) => {
    const before = branches.exec(line)?.[0] ?? ""
    const past = before.replace("├─", "│ ").replace("└─", "  ")
    const below = lines[i + 1] ?? ""
    const hanging = past + (below.startsWith(`${past}├`) || below.startsWith(`${past}└`) ? "│  " : "   ")
    const room = Math.max(20, columns - hanging.length)
    const facts = line.slice(before.length).split(" · ")
    return flow(
      facts.flatMap((fact) => wrap(fact, room)),
      " · ",
      room
    ).map((text, at) => (at === 0 ? before : hanging) + text)
  })

const within = (value: number, most: number): number => Math.max(0, Math.min(value, most))

/** New lines; what is visible stays where it is, as far as there are lines. */
export const onLines = (view: TreeView, lines: ReadonlyArray<string>): TreeView => ({
  ...view,
  lines,
  top: within(view.top, lines.length - 1)
})

const bigStep = 10

const moves: Record<string, (view: TreeView) => Partial<TreeView>> = {
  up: ({ top }) => ({ top: top - 1 }),
  k: ({ top }) => ({ top: top - 1 }),
  down: ({ top }) => ({ top: top + 1 }),
  j: ({ top }) => ({ top: top + 1 }),
  pageup: ({ top }) => ({ top: top - bigStep }),
  pagedown: ({ top }) => ({ top: top + bigStep }),
  home: () => ({ top: 0, left: 0 }),
  end: ({ lines }) => ({ top: lines.length - 1 }),
  left: ({ left }) => ({ left: left - bigStep }),
  h: ({ left }) => ({ left: left - bigStep }),
  right: ({ left }) => ({ left: left + bigStep }),
  l: ({ left }) => ({ left: left + bigStep })
}

export const onTreeKey = (view: TreeView, { key }: Terminal.UserInput): TreeView | "quit" | "redraw" => {
  if (key.ctrl) return key.name === "c" || key.name === "d" ? "quit" : key.name === "l" ? "redraw" : view
  if (key.name === "q") return "quit"
  const moved = { ...view, ...moves[key.name]?.(view) }
  const longest = Math.max(0, ...view.lines.map(({ length }) => length))
  return { ...moved, top: within(moved.top, view.lines.length - 1), left: within(moved.left, longest - 1) }
}

/** Exactly as many lines as the terminal has, none wider than it. */
export const treeFrame = (
  { lines, top, left }: TreeView,
  { columns, rows }: Terminal.Size
): ReadonlyArray<Line> => {
  const room = Math.max(0, rows - 1)
  const visible = lines.slice(top, top + room)
  const where = visible.length < lines.length ? [`${top + 1}–${top + visible.length} of ${lines.length}`] : []
  const footer = join(["q quit", "↑↓←→ move", ...where], "  ", columns)
  return [
    ...visible.map((text): Line => ({ text: cut([...text].slice(left).join(""), columns), style: "plain" })),
    ...Array<Line>(room - visible.length).fill({ text: "", style: "plain" }),
    { text: padEnd(footer, columns), style: "reverse" } satisfies Line
  ].slice(0, rows)
}
