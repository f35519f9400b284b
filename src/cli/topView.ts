/** What `effect-quic top` draws: the state, as the lines of a terminal of some size. */
import { printable } from "../internal/printable.ts"
import type * as Terminal from "effect/Terminal"
import { formatAddress } from "../wire/SocketAddress.ts"
import { cut, join, padEnd } from "./cells.ts"
import type { Line, Style } from "./FullScreen.ts"
import { age, heading, layout, row } from "./topColumns.ts"
import { connectionDetails } from "./topDetails.ts"
import type { EndpointRow } from "./topRates.ts"
import { shownConnections, shownEndpoints, type TopState } from "./topState.ts"
import { totalLines } from "./topTotals.ts"
import { formatCount } from "./units.ts"
import { wrap } from "./presenter.ts"

export const nothingRuns =
  "no process exposes its endpoints; effect-quic demo, serve, get and perf do while they run, your own programs with NodeInspector.layer"

/** With fewer lines between title and footer, the header is shorter. */
const shortRows = 22

const keys: ReadonlyArray<readonly [key: string, does: string]> = [
  ["q, Ctrl-C", "quit"],
  ["↑ ↓, j k", "select a connection; PgUp, PgDn, Home and End go further"],
  ["Enter", "paths and streams of the selected connection"],
  ["s, S", "order by the next or the previous column"],
  ["r", "reverse the order"],
  ["Tab", "show the next endpoint only; all of them after the last"],
  ["p, Space", "pause and continue"],
  ["Ctrl-L", "draw the screen again"],
  ["Esc", "one step back"]
]

const helpText =
  "Rates are differences between two snapshots. b/s counts the bits of UDP payloads, p/s datagrams. LOSS is the share of packets declared lost, of those sent meanwhile."

const helpLines = (columns: number): ReadonlyArray<string> => [
  ...keys.map(([key, does]) => `  ${padEnd(key, 11)}${does}`),
  "",
  ...wrap(helpText, columns - 4).map((text) => `  ${text}`)
]

const line = (text: string, style: Style = "plain"): Line => ({ text, style })

const endpointName = ({ pid, command, node }: EndpointRow): ReadonlyArray<string> => [
  `process ${pid}`,
  formatAddress(node.local),
  `${node.state} ${age(node.ageMillis)}`,
  printable(command.replace(/^\S*[/\\]/, ""))
]

/** What is shown, and whether it stands still. */
const title = (state: TopState, columns: number): Line => {
  const endpoints = shownEndpoints(state)
  const all = (state.frozen ?? state.seen ?? []).length
  const processes = new Set(endpoints.map(({ pid }) => pid)).size
  const name =
    endpoints.length === 1
      ? endpointName(endpoints[0])
      : [`${formatCount(endpoints.length, "endpoint")} of ${formatCount(processes, "process", "processes")}`]
  const one = all > 1 && endpoints.length === 1 ? [`1 of ${all} endpoints`] : []
  const paused = state.frozen === undefined ? [] : ["PAUSED"]
  return line(cut(["effect-quic top", ...paused, ...one, ...name].join(" · "), columns), "bold")
}

/** Why there is no table. */
const emptyReason = (state: TopState): string => {
  if (state.problem !== undefined) return state.problem
  if (state.seen === undefined) return "looking for processes …"
  if (state.only !== undefined && shownEndpoints(state).length === 0)
    return "this endpoint is closed, or its process has ended (Tab shows the others)"
  return state.nothing
}

const footer = (state: TopState, columns: number): Line => {
  const enter = state.showsDetails ? "Enter list" : "Enter details"
  const order = `s order: ${state.sort}${state.isReversed ? " reversed" : ""}`
  const pause = state.frozen === undefined ? "p pause" : "p continue"
  return line(
    padEnd(
      join(["q quit", order, "↑↓ select", enter, pause, "Tab endpoint", "? help"], "  ", columns),
      columns
    ),
    "reverse"
  )
}

/** Where a window of `count` rows begins so that the one at `at` is in it. */
const windowStart = (length: number, at: number, count: number): number =>
  Math.max(0, Math.min(at - Math.floor(count / 2), length - count))

/** The table of connections in `rows` lines, its heading included. */
const table = (state: TopState, columns: number, rows: number): ReadonlyArray<Line> => {
  const shape = layout(columns)
  const connections = shownConnections(state)
  const count = Math.max(0, rows - 1)
  const at = connections.findIndex(({ key }) => key === state.selected)
  const start = windowStart(connections.length, at, count)
  const visible = connections.slice(start, start + count)
  const which =
    visible.length < connections.length
      ? `${start + 1}–${start + visible.length} of ${connections.length}`
      : ""
  return [
    line(cut(heading(shape, state.sort, which), columns), "bold"),
    ...visible.map((connection): Line => {
      const isSelected = connection.key === state.selected
      const text = cut(row(shape, connection, isSelected, connection === state.ended), columns)
      return line(isSelected ? padEnd(text, columns) : text, isSelected ? "reverse" : "plain")
    }),
    ...(connections.length === 0 ? [line("    no connections", "dim")] : [])
  ]
}

const body = (state: TopState, columns: number, rows: number): ReadonlyArray<Line> => {
  if (state.showsHelp) return helpLines(columns).map((text) => line(cut(text, columns)))
  const endpoints = shownEndpoints(state)
  if (endpoints.length === 0) return wrap(emptyReason(state), columns).map((text) => line(cut(text, columns)))
  const totals = totalLines(endpoints, columns, rows < shortRows).map((text) => line(text))
  const selected = shownConnections(state).find(({ key }) => key === state.selected)
  const left = rows - totals.length - 1
  const details =
    state.showsDetails && selected !== undefined
      ? connectionDetails(selected, state.ended === selected, columns, Math.floor((left * 2) / 3))
      : []
  return [...totals, line(""), ...table(state, columns, left - details.length), ...details]
}

/** A frame: exactly as many lines as the terminal has, none wider than it. */
export const frame = (state: TopState, { columns, rows }: Terminal.Size): ReadonlyArray<Line> => {
  const middle = body(state, columns, rows - 2).slice(0, Math.max(0, rows - 2))
  const padding = Array<Line>(Math.max(0, rows - 2 - middle.length)).fill(line(""))
  return [title(state, columns), ...middle, ...padding, footer(state, columns)].slice(0, rows)
}

/** All of it once, for a file or a pipe: as many lines as it takes. */
export const report = (state: TopState, columns: number): ReadonlyArray<string> => {
  const endpoints = shownEndpoints(state)
  const shape = layout(columns)
  return [
    title(state, columns).text,
    ...totalLines(endpoints, columns),
    "",
    heading(shape, state.sort, ""),
    ...shownConnections(state).map((connection) => row(shape, connection, false, false))
  ].map((text) => text.trimEnd())
}
