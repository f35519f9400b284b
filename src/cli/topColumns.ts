/** The columns of `effect-quic top`: which fit, and what they say of a connection. */
import { printable } from "../internal/printable.ts"
import { padEnd, padStart } from "./cells.ts"
import type { ConnectionRow, Rate } from "./topRates.ts"
import { peerOf, type SortKey } from "./topState.ts"
import { formatBitRate, formatBytes, formatMillis, formatShort } from "./units.ts"

interface Column {
  readonly title: string
  readonly cells: number
  /** The columns of the lowest numbers are shown where not all fit. */
  readonly rank: number
  readonly sort: SortKey | undefined
  readonly text: (row: ConnectionRow) => string
}

/** A rate, or a dash where there is none yet. */
export const rateText = (rate: Rate): string => (rate === undefined ? "–" : formatShort(rate))

export const bitRateText = (rate: Rate): string => (rate === undefined ? "–" : formatBitRate(rate))

export const lossText = (share: number | undefined): string =>
  share === undefined ? "–" : `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`

/** Coarse: a number that is not always another one. */
export const age = (millis: number): string => {
  const seconds = Math.floor(millis / 1000)
  if (seconds < 100) return `${seconds} s`
  return seconds < 6000 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`
}

const firstPath = ({ node }: ConnectionRow) => node.paths.at(0)

const ofPath =
  (text: (path: NonNullable<ReturnType<typeof firstPath>>) => string) =>
  (row: ConnectionRow): string => {
    const path = firstPath(row)
    return path === undefined ? "–" : text(path)
  }

/** From left to right, after the peer. */
const columns: ReadonlyArray<Column> = [
  { title: "STATE", cells: 11, rank: 6, sort: undefined, text: ({ node }) => node.state },
  { title: "IN b/s", cells: 7, rank: 0, sort: "in", text: ({ inBits }) => rateText(inBits) },
  { title: "OUT b/s", cells: 7, rank: 1, sort: "out", text: ({ outBits }) => rateText(outBits) },
  { title: "IN p/s", cells: 7, rank: 8, sort: undefined, text: ({ inDatagrams }) => rateText(inDatagrams) },
  {
    title: "OUT p/s",
    cells: 7,
    rank: 9,
    sort: undefined,
    text: ({ outDatagrams }) => rateText(outDatagrams)
  },
  {
    title: "RTT",
    cells: 7,
    rank: 2,
    sort: "rtt",
    text: ofPath(({ smoothedRttMillis }) => formatMillis(smoothedRttMillis))
  },
  { title: "LOSS", cells: 6, rank: 3, sort: "loss", text: ({ lossShare }) => lossText(lossShare) },
  { title: "STREAMS", cells: 7, rank: 4, sort: "streams", text: ({ node }) => `${node.streams.length}` },
  {
    title: "WINDOW",
    cells: 7,
    rank: 10,
    sort: undefined,
    text: ofPath(({ congestionWindowBytes }) => formatBytes(congestionWindowBytes))
  },
  {
    title: "FLIGHT",
    cells: 7,
    rank: 11,
    sort: undefined,
    text: ofPath(({ bytesInFlight }) => formatBytes(bytesInFlight))
  },
  {
    title: "SENDBUF",
    cells: 7,
    rank: 12,
    sort: undefined,
    text: ({ node }) => formatBytes(node.holdings.sendBufferBytes)
  },
  {
    title: "RECVBUF",
    cells: 7,
    rank: 13,
    sort: undefined,
    text: ({ node }) => formatBytes(node.holdings.receiveBufferBytes)
  },
  { title: "ALPN", cells: 12, rank: 14, sort: undefined, text: ({ node }) => printable(node.alpn ?? "–") },
  { title: "AGE", cells: 6, rank: 5, sort: "age", text: ({ node }) => age(node.ageMillis) },
  { title: "PID", cells: 7, rank: 7, sort: undefined, text: ({ pid }) => `${pid}` }
]

/** Room for an IPv4 address and its port. */
const minPeerCells = 21
/** Room for an IPv6 address and its port. */
const maxPeerCells = 47
/** The mark of the selected row, and the direction. */
const markCells = 4

export interface Layout {
  readonly peerCells: number
  readonly columns: ReadonlyArray<Column>
}

/** As many columns as fit `cells`, in their order. */
export const layout = (cells: number): Layout => {
  let left = cells - markCells - minPeerCells
  const chosen = new Set<Column>()
  for (const column of [...columns].sort((a, b) => a.rank - b.rank)) {
    if (column.cells + 1 > left) break
    left -= column.cells + 1
    chosen.add(column)
  }
  return {
    peerCells: Math.max(0, Math.min(maxPeerCells, minPeerCells + left)),
    columns: columns.filter((column) => chosen.has(column))
  }
}

const isText = ({ title }: Column): boolean => title === "STATE" || title === "ALPN"

const cell = (column: Column, text: string): string =>
  ` ${(isText(column) ? padEnd : padStart)(text, column.cells)}`

/** The titles; the one that orders the rows is marked. `which` are the rows that are shown, if it is not all of them. */
export const heading = ({ peerCells, columns }: Layout, sort: SortKey, which: string): string =>
  " ".repeat(markCells) +
  padEnd(`PEER${sort === "peer" ? "▾" : ""} ${which}`, peerCells) +
  columns
    .map((column) =>
      cell(
        column,
        column.sort === sort && column.title.length < column.cells ? `${column.title}▾` : column.title
      )
    )
    .join("")

/** A connection that has ended shows no more than that. */
export const row = (
  { peerCells, columns }: Layout,
  of: ConnectionRow,
  isSelected: boolean,
  hasEnded: boolean
): string => {
  const text = hasEnded ? " ended" : columns.map((column) => cell(column, column.text(of))).join("")
  return `${isSelected ? ">" : " "} ${of.node.role === "client" ? "→" : "←"} ${padEnd(printable(peerOf(of)), peerCells)}${text}`
}
