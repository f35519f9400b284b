/** What `effect-quic top` says of endpoints as a whole. */
import { join } from "./cells.ts"
import { bitRateText, rateText } from "./topColumns.ts"
import type { Counted, CountedKinds, EndpointRow, Rate, Totals } from "./topRates.ts"
import { formatBytes, formatShort } from "./units.ts"

const addRates = (a: Rate, b: Rate): Rate => (a === undefined ? b : b === undefined ? a : a + b)

const none: Counted = { total: 0, rate: undefined }

const addCounted = (a: Counted, b: Counted): Counted => ({
  total: a.total + b.total,
  rate: addRates(a.rate, b.rate)
})

const addKinds = (all: ReadonlyArray<CountedKinds>): ReadonlyMap<string, Counted> => {
  const sums = new Map<string, Counted>()
  for (const kinds of all)
    for (const [kind, counted] of Object.entries(kinds))
      sums.set(kind, addCounted(sums.get(kind) ?? none, counted))
  return sums
}

/** `idleTimeout` is `idle timeout`. */
const words = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)

const kindText = ([kind, { total, rate = 0 }]: readonly [string, Counted]): string =>
  `${words(kind)} ${formatShort(total)}${rate > 0 ? ` (${formatShort(rate)}/s)` : ""}`

/** The kinds that were counted, the fastest first. */
const kindsLine = (label: string, kinds: ReadonlyMap<string, Counted>, columns: number): string => {
  const counted = [...kinds].filter(([, { total }]) => total > 0)
  counted.sort(([, a], [, b]) => (b.rate ?? 0) - (a.rate ?? 0) || b.total - a.total)
  return join(
    [`${label}${counted.length === 0 ? "nothing" : kindText(counted[0])}`, ...counted.slice(1).map(kindText)],
    " · ",
    columns
  )
}

const bits = (rate: Rate): Rate => (rate === undefined ? undefined : rate * 8)

/** The header: the same number of lines whatever they say, so that the table does not move. */
export const totalLines = (
  endpoints: ReadonlyArray<EndpointRow>,
  columns: number,
  isShort = false
): ReadonlyArray<string> => {
  const sum = (of: (totals: Totals) => Counted): Counted =>
    endpoints.map(({ totals }) => of(totals)).reduce(addCounted, none)
  const kinds = (of: (totals: Totals) => CountedKinds) => addKinds(endpoints.map(({ totals }) => of(totals)))
  const count = (of: (row: EndpointRow) => number) => endpoints.reduce((total, row) => total + of(row), 0)
  const handshakes = kinds((totals) => totals.handshakes)
  const { total: completed, rate: completing } = handshakes.get("completed") ?? none
  const trafficLine = (label: string, bytes: Counted, datagrams: Counted, ...more: ReadonlyArray<string>) =>
    join(
      [
        `${label}${bitRateText(bits(bytes.rate))}`,
        `${rateText(datagrams.rate)} datagrams/s`,
        formatBytes(bytes.total),
        ...more
      ],
      " · ",
      columns
    )
  const lost = sum((totals) => totals.lostPackets)
  const always = [
    join(
      [
        `connections ${count(({ node }) => node.statistics.connectionsActive)}`,
        `handshakes ${rateText(completing)}/s`,
        `${completed} done`,
        `${handshakes.get("inFlight")?.total ?? 0} in flight`,
        `${handshakes.get("failed")?.total ?? 0} failed`,
        `to accept ${count(({ node }) => node.backlog)}`,
        `strikes ${count(({ node }) => node.statistics.strikes)}`
      ],
      " · ",
      columns
    ),
    trafficLine(
      "in       ",
      sum((totals) => totals.inBytes),
      sum((totals) => totals.inDatagrams)
    ),
    trafficLine(
      "out      ",
      sum((totals) => totals.outBytes),
      sum((totals) => totals.outDatagrams),
      `${formatShort(lost.total)} packets lost (${rateText(lost.rate)}/s)`
    ),
    kindsLine(
      "dropped  ",
      kinds((totals) => totals.dropped),
      columns
    )
  ]
  if (isShort) return always
  return [
    ...always,
    kindsLine(
      "replied  ",
      kinds((totals) => totals.replies),
      columns
    ),
    kindsLine(
      "closed   ",
      kinds((totals) => totals.closes),
      columns
    )
  ]
}
