/** One HTML document, complete in itself, of what a qlog says. */
import { printableJson } from "../internal/printable.ts"
import { formatBytes, formatCount, formatMillis, formatRate } from "../internal/units.ts"
import { chartScript } from "./chartScript.ts"
import type { Inspection } from "./Inspection.ts"
import type { PathTrace } from "./PathTrace.ts"
import { rowScript } from "./rowScript.ts"
import { MAX_ROWS, type RowKind } from "./Rows.ts"
import { style } from "./style.ts"

const script = chartScript + rowScript

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => entities[character])

/** Within a script element only `<` could end it or begin a comment. */
const scriptJson = (value: unknown): string => printableJson(value).replaceAll("<", "\\u003c")

const kinds: { readonly [K in RowKind]: number } = { sent: 0, received: 1, dropped: 2, event: 3 }

const pathData = ({ id, series, losses }: PathTrace) => ({
  id,
  window: series.congestion_window.points(),
  inFlight: series.bytes_in_flight.points(),
  smoothedRtt: series.smoothed_rtt.points(),
  latestRtt: series.latest_rtt.points(),
  minRtt: series.min_rtt.points(),
  losses: losses.points(),
  lossMillis: losses.widthMillis
})

const dataOf = ({ endMillis, paths, rows }: Inspection) => ({
  end: endMillis,
  paths: [...paths.values()].map(pathData),
  rows: rows
    .all()
    .map(({ time, kind, path, title, bytes, text, lostAt }) => [
      time,
      kinds[kind],
      path,
      title,
      bytes,
      text,
      lostAt ?? null
    ]),
  omitted: rows.omitted,
  gapAt: MAX_ROWS / 2
})

const rttText = ({ series: { min_rtt, smoothed_rtt } }: PathTrace): string =>
  smoothed_rtt.last === undefined
    ? "–"
    : `${formatMillis(smoothed_rtt.last)}, smallest ${formatMillis(min_rtt.last ?? smoothed_rtt.last)}`

const percent = (lost: number, sent: number): string =>
  sent === 0 || lost === 0 ? `${lost}` : `${lost} (${((100 * lost) / sent).toFixed(2)} %)`

/** Name, value, and whether it needs two columns. */
const entriesOf = (inspection: Inspection): ReadonlyArray<readonly [string, string, boolean?]> => {
  const { facts, totals, endMillis, dropped, keyUpdates, paths } = inspection
  const first = paths.get(0)
  const rate = ({ bytes, packets }: PathTrace["sent"]) =>
    `${formatCount(packets, "packet")}, ${formatBytes(bytes)}, ${formatRate(bytes, endMillis)}`
  return [
    ["Version", facts.version ?? "–"],
    ["ALPN", facts.alpn ?? "–"],
    ["Cipher suite", facts.cipher ?? "–", true],
    ["Peer", facts.remote ?? "–"],
    ["Duration", formatMillis(endMillis)],
    ["Sent", rate(totals.sent), true],
    ["Received", rate(totals.received), true],
    ["Lost", percent(totals.lost, totals.sent.packets)],
    ["Dropped on arrival", `${dropped}`],
    ["Round-trip time", first === undefined ? "–" : rttText(first), true],
    ["Key updates", `${keyUpdates}`],
    ["State", facts.state ?? "–"],
    ["Closed", facts.closed ?? "not in this log", true],
    ["Began", facts.startedAt ?? "–", true]
  ]
}

const summary = (inspection: Inspection): string =>
  entriesOf(inspection)
    .map(
      ([name, value, wide]) =>
        `<div${wide === true ? ' class="wide"' : ""}><dt>${name}</dt><dd>${escaped(value)}</dd></div>`
    )
    .join("\n")

const pathRow = (path: PathTrace): string => {
  const { id, remote, state, sent, received, lost, series } = path
  const { last: window } = series.congestion_window
  const cells = [
    `${id}`,
    remote ?? "–",
    state ?? "–",
    `${sent.packets}`,
    formatBytes(sent.bytes),
    `${received.packets}`,
    formatBytes(received.bytes),
    percent(lost, sent.packets),
    rttText(path),
    window === undefined ? "–" : formatBytes(window)
  ]
  return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`
}

const pathTable = ({ paths }: Inspection): string => `<div class="scroll"><table>
<thead><tr><th>Path</th><th>Peer</th><th>State</th><th>Packets sent</th><th>Bytes sent</th><th>Packets received</th><th>Bytes received</th><th>Lost</th><th>Round-trip time</th><th>Window</th></tr></thead>
<tbody>${[...paths.values()].map(pathRow).join("\n")}</tbody></table></div>`

/** What is not as it should be with the log itself. */
export const remarksOf = ({ malformed, isTruncated }: Inspection): ReadonlyArray<string> => [
  ...(malformed > 0 ? [`${formatCount(malformed, "record")} could not be read and left out`] : []),
  ...(isTruncated ? ["the log ends in the middle of a record"] : [])
]

const body = (inspection: Inspection, name: string): string => {
  const { facts, paths } = inspection
  const near = facts.role === "server" ? "server" : "client"
  const far = near === "client" ? "server" : "client"
  const remarks = remarksOf(inspection)
  return `<h1>${escaped(name)}</h1>
<p>QUIC connection ${escaped(facts.id ?? "")}, seen by the ${near}.${remarks.map((remark) => ` <span class="bad">${escaped(remark)}.</span>`).join("")}</p>
<noscript><p class="bad">The charts and the packets need JavaScript, which runs from this file alone.</p></noscript>
<dl>
${summary(inspection)}
</dl>
${paths.size > 1 ? pathTable(inspection) : ""}
<div class="bar"><span>Drag over a chart to zoom, double click to see everything.</span><button id="reset" type="button">Everything</button><output id="range"></output><output id="at"></output></div>
<div id="charts"></div>
<section>
<div class="bar"><h2>Packets</h2><input id="filter" type="search" placeholder="stream 4, crypto, path 1 …" aria-label="Only packets that contain"><label><input id="lost" type="checkbox"> only lost ones</label><output id="count"></output></div>
<div class="heads"><span>ms</span><span></span><span><b>${near}</b> (this log)</span><span></span><b class="far">${far}</b></div>
<div class="rows" id="rows" tabindex="0"></div>
</section>`
}

/**
 * The page of a log that is called `name`. `sha256` returns the hash of a text in base64: the content security policy
 * allows this page's own script and style and nothing else, not even if markup got into it.
 */
export const page = (inspection: Inspection, name: string, sha256: (text: string) => string): string => {
  const policy = `default-src 'none'; script-src 'sha256-${sha256(script)}'; style-src 'sha256-${sha256(style)}'; base-uri 'none'; form-action 'none'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(name)}</title>
<style>${style}</style>
</head>
<body>
${body(inspection, name)}
<script type="application/json" id="data">${scriptJson(dataOf(inspection))}</script>
<script>${script}</script>
</body>
</html>
`
}
