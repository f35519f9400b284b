/**
 * Writes the measured matrix into docs/nat.md, between its two marks.
 *
 *     node test/nat/table.ts LIVE.json [SIMULATED.json]
 *
 * `LIVE.json` is what `npm run -s netns -- --only nat --json FILE` writes, `SIMULATED.json` what `npm run nat -- --json FILE`
 * does.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { expectation, type Kind, kinds } from "./matrix.ts"
import type { CellFigures } from "./peers.ts"

const file = new URL("../../docs/nat.md", import.meta.url)
const begin = "<!-- matrix -->"
const end = "<!-- /matrix -->"

interface LiveRow {
  readonly peer: string
  readonly result: string
  readonly figures?: Partial<CellFigures>
}

interface SimulatedRow {
  readonly cell: string
  readonly runs: number
  readonly direct: number
  readonly median: Partial<CellFigures>
}

const [live, simulated] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")))

const kB = (bytes = 0): string => `${Math.round(bytes / 1000)} kB`

const liveCell = (client: Kind, server: Kind): string => {
  const row = (live as ReadonlyArray<LiveRow>).find(({ peer }) => peer === `${client} > ${server}`)
  const figures = row?.figures
  if (row === undefined || figures?.firstByteMillis === undefined) return "not measured"
  const { firstByteMillis, directMillis, relayedBytes, probes } = figures
  const verdict = row.result === "pass" ? "" : "**"
  if (directMillis === null || directMillis === undefined)
    return `${verdict}relayed${verdict} (${Math.round(firstByteMillis)})`
  const counts = [kB(relayedBytes), ...(probes === undefined ? [] : [`${probes} probes`])]
  const times = `${verdict}${Math.round(directMillis)}${verdict} (${Math.round(firstByteMillis)})`
  return `${times}, ${counts.join(", ")}`
}

const simulatedCell = (client: Kind, server: Kind): string => {
  const rows = (simulated as { readonly rows: ReadonlyArray<SimulatedRow> }).rows
  const row = rows.find(({ cell }) => cell === `${client} > ${server}`)
  if (row === undefined) return "not measured"
  const { firstByteMillis, directMillis, probes } = row.median
  const counts = `${row.direct} of ${row.runs}, ${probes} probes`
  return row.direct > 0 ? `${counts}: ${directMillis} (${firstByteMillis})` : `${counts} (${firstByteMillis})`
}

const tableOf = (cellOf: (client: Kind, server: Kind) => string): string =>
  [
    `| client ↓ server → | ${kinds.join(" | ")} |`,
    `|---${"|---".repeat(kinds.length)}|`,
    ...kinds.map((client) => `| ${client} | ${kinds.map((server) => cellOf(client, server)).join(" | ")} |`)
  ].join("\n")

const theory: Readonly<Record<string, string>> = { direct: "direct", relayed: "relayed", lucky: "relayed ¹" }

const text = [
  begin,
  "By theory:",
  tableOf((client, server) => theory[expectation(client, server)]),
  "¹ Unless a probe hits one port in 64,512.",
  "Measured between processes behind the kernel's NATs: milliseconds from the dial to the direct path, in brackets to the " +
    "first byte, which comes through the relay; bytes that the relay has carried for the client until then, and probes that the client sent.",
  tableOf(liveCell),
  ...(simulated === undefined
    ? []
    : [
        "In the simulator, over lines of 5 to 65 ms that lose up to 2 %, and NATs that others use too: how many of so many " +
          "runs became direct, and the median of the same figures.",
        tableOf(simulatedCell)
      ]),
  end
].join("\n\n")

const before = readFileSync(file, "utf8")
const from = before.indexOf(begin)
const to = before.indexOf(end)
if (from === -1 || to < from) throw new Error(`docs/nat.md has no ${begin} … ${end}`)
writeFileSync(file, before.slice(0, from) + text + before.slice(to + end.length))
