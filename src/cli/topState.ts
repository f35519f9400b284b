/** What the user of `effect-quic top` sees and has chosen, and what a key or a snapshot changes about it. */
import type * as Terminal from "effect/Terminal"
import { formatAddress } from "../wire/SocketAddress.ts"
import type { ConnectionRow, EndpointRow, Seen } from "./topRates.ts"

/** By what rows are ordered, in the order in which `s` goes through them. */
export const sortKeys = ["rate", "in", "out", "rtt", "loss", "streams", "age", "peer"] as const
export type SortKey = (typeof sortKeys)[number]

export interface TopState {
  /** Undefined before the first answer. */
  readonly seen: Seen | undefined
  /** While paused, what stays on the screen. */
  readonly frozen: Seen | undefined
  readonly sort: SortKey
  readonly isReversed: boolean
  /** Key of the only endpoint to show; undefined for all. */
  readonly only: string | undefined
  /** Key of the selected connection. */
  readonly selected: string | undefined
  /** Where it was in the list, should it end. */
  readonly selectedAt: number
  /** The selected connection as it was last seen, once it has ended. */
  readonly ended: ConnectionRow | undefined
  readonly showsDetails: boolean
  readonly showsHelp: boolean
  /** Why the last look at the processes failed. */
  readonly problem: string | undefined
  /** What to say when there is no endpoint. */
  readonly nothing: string
}

export const initialState = (sort: SortKey, nothing: string): TopState => ({
  seen: undefined,
  frozen: undefined,
  sort,
  isReversed: false,
  only: undefined,
  selected: undefined,
  selectedAt: 0,
  ended: undefined,
  showsDetails: false,
  showsHelp: false,
  problem: undefined,
  nothing
})

/** The endpoints to show. */
export const shownEndpoints = ({ seen, frozen, only }: TopState): ReadonlyArray<EndpointRow> =>
  (frozen ?? seen ?? []).filter(({ key }) => only === undefined || key === only)

const rtt = ({ node }: ConnectionRow): number => node.paths[0]?.smoothedRttMillis ?? 0

/** Larger comes first. */
const weights: Record<Exclude<SortKey, "peer">, (row: ConnectionRow) => number> = {
  rate: ({ inBits = -1, outBits = 0 }) => inBits + outBits,
  in: ({ inBits = -1 }) => inBits,
  out: ({ outBits = -1 }) => outBits,
  rtt,
  loss: ({ lossShare = -1 }) => lossShare,
  streams: ({ node }) => node.streams.length,
  age: ({ node }) => node.ageMillis
}

/** What a row calls the other side. */
export const peerOf = ({ peer, node }: ConnectionRow): string =>
  peer === undefined ? formatAddress(node.remote) : `${peer} ${formatAddress(node.remote)}`

const orderOf = (sort: SortKey): ((a: ConnectionRow, b: ConnectionRow) => number) => {
  // rows of the same weight keep their places: the oldest first
  const otherwise = (a: ConnectionRow, b: ConnectionRow): number =>
    a.pid - b.pid || (a.node.fiber ?? 0) - (b.node.fiber ?? 0)
  if (sort === "peer")
    return (a, b) => peerOf(a).localeCompare(peerOf(b), "en", { numeric: true }) || otherwise(a, b)
  const weight = weights[sort]
  return (a, b) => weight(b) - weight(a) || otherwise(a, b)
}

/** The connections to show, in order; one that ended while it was selected keeps its place until it is left. */
export const shownConnections = (state: TopState): ReadonlyArray<ConnectionRow> => {
  const rows = shownEndpoints(state)
    .flatMap(({ connections }) => connections)
    .sort(orderOf(state.sort))
  if (state.isReversed) rows.reverse()
  if (state.ended !== undefined) rows.splice(state.selectedAt, 0, state.ended)
  return rows
}

const indexOfSelected = (rows: ReadonlyArray<ConnectionRow>, { selected }: TopState): number =>
  rows.findIndex(({ key }) => key === selected)

/** Keeps the place of the selected connection, and the connection itself once it has ended. */
const follow = (state: TopState, before: TopState): TopState => {
  if (state.selected === undefined) return state
  const rows = shownConnections({ ...state, ended: undefined })
  const at = indexOfSelected(rows, state)
  if (at >= 0) return { ...state, selectedAt: at, ended: undefined }
  const last = shownConnections(before).find(({ key }) => key === state.selected)
  return last === undefined
    ? { ...state, selected: undefined, ended: undefined }
    : { ...state, ended: last, selectedAt: Math.min(state.selectedAt, rows.length) }
}

/** A new snapshot. */
export const onSeen = (state: TopState, seen: Seen): TopState =>
  state.frozen === undefined
    ? follow({ ...state, seen, problem: undefined }, state)
    : { ...state, seen, problem: undefined }

/** The processes could not be looked at. */
export const onProblem = (state: TopState, problem: string): TopState => ({ ...state, problem })

const moveBy = (state: TopState, by: number): TopState => {
  const rows = shownConnections(state)
  if (rows.length === 0) return state
  const at = indexOfSelected(rows, state)
  const from = at >= 0 ? at : by > 0 ? -1 : rows.length
  const selected = rows[Math.min(Math.max(from + by, 0), rows.length - 1)].key
  if (selected === state.selected) return state
  return follow({ ...state, selected, ended: undefined }, state)
}

const nextSort = (state: TopState, by: number): TopState => {
  const at = sortKeys.indexOf(state.sort) + by
  return follow({ ...state, sort: sortKeys[(at + sortKeys.length) % sortKeys.length] }, state)
}

/** All endpoints, then each of them. */
const nextEndpoint = (state: TopState): TopState => {
  const keys = (state.frozen ?? state.seen ?? []).map(({ key }) => key)
  const only =
    keys.length < 2
      ? undefined
      : [undefined, ...keys][(keys.indexOf(state.only ?? "") + 2) % (keys.length + 1)]
  return { ...state, only, selected: undefined, ended: undefined }
}

const toggleDetails = (state: TopState): TopState => {
  const chosen = state.selected === undefined ? moveBy(state, 1) : state
  return { ...chosen, showsDetails: chosen.selected !== undefined && !state.showsDetails }
}

const togglePause = (state: TopState): TopState =>
  state.frozen === undefined
    ? { ...state, frozen: state.seen }
    : follow({ ...state, frozen: undefined }, state)

/** One step back: help, details, selection. */
const stepBack = (state: TopState): TopState =>
  state.showsHelp
    ? { ...state, showsHelp: false }
    : state.showsDetails
      ? { ...state, showsDetails: false }
      : { ...state, selected: undefined, ended: undefined }

const bigStep = 10

const actions: Record<string, (state: TopState) => TopState> = {
  up: (state) => moveBy(state, -1),
  k: (state) => moveBy(state, -1),
  down: (state) => moveBy(state, 1),
  j: (state) => moveBy(state, 1),
  pageup: (state) => moveBy(state, -bigStep),
  pagedown: (state) => moveBy(state, bigStep),
  home: (state) => moveBy(state, -Infinity),
  end: (state) => moveBy(state, Infinity),
  return: toggleDetails,
  enter: toggleDetails,
  p: togglePause,
  space: togglePause,
  s: (state) => nextSort(state, 1),
  S: (state) => nextSort(state, -1),
  r: (state) => follow({ ...state, isReversed: !state.isReversed }, state),
  tab: nextEndpoint,
  e: nextEndpoint,
  h: (state) => ({ ...state, showsHelp: !state.showsHelp }),
  "?": (state) => ({ ...state, showsHelp: !state.showsHelp }),
  escape: stepBack
}

/** What a key does; `"quit"` and `"redraw"` are for whoever owns the screen. */
export const onKey = (state: TopState, { key, input }: Terminal.UserInput): TopState | "quit" | "redraw" => {
  const typed = input._tag === "Some" ? input.value : ""
  if (key.ctrl) return key.name === "c" || key.name === "d" ? "quit" : key.name === "l" ? "redraw" : state
  if (typed === "q" || typed === "Q") return "quit"
  const action = actions[typed] ?? actions[key.name]
  return action === undefined ? state : action(state)
}
