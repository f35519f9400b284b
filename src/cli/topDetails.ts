/** The paths and streams of one connection, below the table of `effect-quic top`. */
import { printable } from "../internal/printable.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { cut, flow, join, padEnd, padStart } from "./cells.ts"
import type { Line } from "./FullScreen.ts"
import { age, bitRateText, lossText, rateText } from "./topColumns.ts"
import type { ConnectionRow, PathRow, Rate, StreamRow } from "./topRates.ts"
import { peerOf } from "./topState.ts"
import { formatBytes, formatCount, formatMillis } from "./units.ts"
import { bondingOf, stateOf } from "../capability/pathStateText.ts"
import type { RouteNode, StreamHalf } from "../FiberTree.ts"

const pathLines = ({ node, inBits, outBits, lossShare }: PathRow, columns: number): ReadonlyArray<string> => {
  const [current, ...others] = node.routes
  const route = ({ local, remote }: RouteNode): string => `${formatAddress(local)} → ${formatAddress(remote)}`
  const facts = [
    `in ${bitRateText(inBits)}`,
    `out ${bitRateText(outBits)}`,
    `rtt ${formatMillis(node.smoothedRttMillis)}`,
    `window ${formatBytes(node.congestionWindowBytes)}`,
    `loss ${lossText(lossShare)}`,
    `in flight ${formatBytes(node.bytesInFlight)}`,
    `datagrams of ${node.datagramBytes} B`,
    `${node.packetsLost} of ${formatCount(node.packetsSent, "packet")} lost`
  ]
  return [
    `path ${node.id} · ${route(current)} · ${stateOf(node)}`,
    ...flow(facts, " · ", columns - 2).map((text) => `  ${text}`),
    ...others.map((other) => `  route ${route(other)} · ${other.validation}`)
  ]
}

/** Without the buffers where there is no room for them. */
const streamTable = (columns: number) => {
  const hasBuffers = columns >= 75
  const half = (bytes: string, rate: string, buffered: string): string =>
    padStart(bytes, 10) + padStart(rate, 8) + (hasBuffers ? padStart(buffered, 8) : "")
  const halfOf = (of: StreamHalf | undefined, bits: Rate): string =>
    of === undefined
      ? half("–", "", "")
      : half(
          formatBytes(of.bytes),
          rateText(bits),
          of.bufferedBytes === 0 ? "–" : formatBytes(of.bufferedBytes)
        )
  const row = (id: string, sent: string, received: string, state: string): string =>
    `  ${padEnd(id, 7)}${sent}${received}  ${state}`
  return {
    heading: row("STREAM", half("SENT", "b/s", "BUFFER"), half("RECEIVED", "b/s", "BUFFER"), "STATE"),
    line: ({ node, inBits, outBits }: StreamRow): string => {
      const states = [node.sending, node.receiving].flatMap((one) => (one === undefined ? [] : [one.state]))
      const state = [...new Set(states)].join("/")
      return row(`${node.id}`, halfOf(node.sending, outBits), halfOf(node.receiving, inBits), state)
    }
  }
}

const rateOf = ({ inBits = 0, outBits = 0 }: StreamRow): number => inBits + outBits

/** At most `rows` lines; the streams that move most come first. */
export const connectionDetails = (
  connection: ConnectionRow,
  hasEnded: boolean,
  columns: number,
  rows: number
): ReadonlyArray<Line> => {
  const { node, paths, streams } = connection
  const name = join(
    [
      `── ${printable(peerOf(connection))}`,
      hasEnded ? "ended; as it was last seen" : node.state,
      ...[bondingOf(node)].filter((text) => text !== ""),
      printable(node.alpn ?? "no protocol yet"),
      age(node.ageMillis),
      node.id,
      formatCount(node.fibers, "fiber"),
      `${node.waiting} waiting`
    ],
    " · ",
    columns - 1
  )
  const { heading, line } = streamTable(columns)
  const ordered = [...streams].sort((a, b) => rateOf(b) - rateOf(a) || a.node.id - b.node.id)
  const above = [
    ...paths.flatMap((path) => pathLines(path, columns)),
    ...(ordered.length === 0 ? [] : [heading])
  ]
  const room = Math.max(0, rows - 1 - above.length)
  const shown = ordered.slice(0, ordered.length > room ? Math.max(0, room - 1) : room)
  const hidden = ordered.length - shown.length
  const below = [
    ...shown.map(line),
    ...(ordered.length === 0 ? ["  no streams"] : []),
    ...(hidden > 0 ? [`  … ${formatCount(hidden, "more stream")}`] : [])
  ]
  return [
    { text: `${padEnd(name, columns)}`, style: "bold" } satisfies Line,
    ...[...above, ...below].map((text): Line => ({ text: cut(text, columns), style: "plain" }))
  ].slice(0, Math.max(1, rows))
}
