/** The grid as an SVG: a square of cells for each scheduler and loss; the share by colour, the delay of messages in it. */
import { BITS_PER_SECOND, RTT_MILLIS, type SchedulerName } from "./cell.ts"
import type { Grid } from "./Grid.ts"
import { RATIOS, schedulerNames } from "./run.ts"

const CELL = { width: 62, height: 40 }
const SQUARE = { width: RATIOS.length * CELL.width, height: RATIOS.length * CELL.height }
const GAP = { x: 34, y: 46 }
const ORIGIN = { x: 136, y: 134 }
const GREY = "#555"

const text = (x: number, y: number, content: string, attributes = ""): string =>
  `<text x="${x}" y="${y}" ${attributes}>${content}</text>`

/** Of viridis, from little to all: told apart by people who see few colours, and in print. */
const stops = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37]
] as const

const colourOf = (share: number): string => {
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1)
  const [from, to] = [stops[Math.floor(at)], stops[Math.ceil(at)]]
  const part = at - Math.floor(at)
  return `rgb(${from.map((channel, i) => Math.round(channel + part * (to[i] - channel))).join()})`
}

const square = (grid: Grid, name: SchedulerName, lossRate: number, left: number, top: number): string =>
  RATIOS.flatMap((rttRatio, row) =>
    RATIOS.flatMap((rateRatio, column) => {
      const cell = grid.at(name, lossRate, rttRatio, rateRatio)
      if (cell === undefined) return []
      const [x, y] = [left + column * CELL.width, top + row * CELL.height]
      const [middle, ink] = [x + CELL.width / 2, cell.share > 0.6 ? "#000" : "#fff"]
      const { share, messageMillis, hintedMillis } = cell
      const delays = `${Math.round(messageMillis)} / ${Math.round(hintedMillis)} ms`
      return [
        `<rect x="${x}" y="${y}" width="${CELL.width - 1}" height="${CELL.height - 1}" fill="${colourOf(share)}"/>`,
        text(
          middle,
          y + 18,
          `${Math.round(100 * share)} %`,
          `text-anchor="middle" font-size="13" fill="${ink}"`
        ),
        text(middle, y + 32, delays, `text-anchor="middle" font-size="9" fill="${ink}"`)
      ]
    })
  ).join("\n")

const axes = (left: number, top: number): string =>
  RATIOS.flatMap((ratio, i) => [
    text(
      left + (i + 0.5) * CELL.width,
      top - 5,
      `÷ ${ratio}`,
      `text-anchor="middle" font-size="10" fill="${GREY}"`
    ),
    text(
      left - 5,
      top + (i + 0.6) * CELL.height,
      `× ${ratio}`,
      `text-anchor="end" font-size="10" fill="${GREY}"`
    )
  ]).join("\n")

export const conditions = `first link ${RTT_MILLIS} ms, ${BITS_PER_SECOND / 1e6} Mbit/s; the second with × its RTT (rows), ÷ its rate (columns); queues of one bandwidth-delay product`

const legend = (width: number): string =>
  Array.from({ length: 11 }, (_, i) => {
    const x = width - 380 + i * 30
    return `<rect x="${x}" y="16" width="30" height="12" fill="${colourOf(i / 10)}"/>${text(x + 15, 42, `${10 * i} %`, `text-anchor="middle" font-size="9" fill="${GREY}"`)}`
  }).join("\n")

/** Schedulers below each other, losses side by side. */
export const heatMap = (grid: Grid): string => {
  const { losses } = grid
  const width = ORIGIN.x + losses.length * (SQUARE.width + GAP.x)
  const height = ORIGIN.y + schedulerNames.length * (SQUARE.height + GAP.y)
  const title = "What two links carry, of what they have room for"
  const squares = schedulerNames.flatMap((name, row) => {
    const top = ORIGIN.y + row * (SQUARE.height + GAP.y)
    const heading = text(20, top + SQUARE.height / 2, name, `font-size="15" font-weight="bold"`)
    return [
      heading,
      ...losses.flatMap(({ lossRate, congestion }, column) => {
        const left = ORIGIN.x + column * (SQUARE.width + GAP.x)
        const alone = grid.alone(lossRate)!
        const of = `${100 * lossRate} % loss, ${congestion}; the first link alone: ${Math.round(100 * alone.share)} %`
        const top1 = row === 0 ? [text(left, top - 24, of, `font-size="12"`)] : []
        return [...top1, axes(left, top), square(grid, name, lossRate, left, top)]
      })
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(20, 30, title, `font-size="18"`),
    text(20, 66, conditions, `font-size="11" fill="${GREY}"`),
    text(
      20,
      84,
      "below: p99 of a 64-byte message beside it, without a hint / preferring the lowest latency",
      `font-size="11" fill="${GREY}"`
    ),
    legend(width),
    ...squares,
    "</svg>\n"
  ].join("\n")
}
