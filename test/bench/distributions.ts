/** Cumulative distributions of latencies as an SVG: milliseconds on a logarithmic axis, the share that took no longer. */

const WIDTH = 760
const HEIGHT = 480
const PLOT = { left: 60, top: 64, right: 20, bottom: 110 }
const GREY = "#666"
/** Told apart by people who see few colours, too. */
const colours = ["#0072b2", "#009e73", "#d55e00", "#cc79a7"]

const plotWidth = WIDTH - PLOT.left - PLOT.right
const plotHeight = HEIGHT - PLOT.top - PLOT.bottom

const text = (x: number, y: number, content: string, attributes = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${content}</text>`

const line = (x1: number, y1: number, x2: number, y2: number, stroke: string, attributes = ""): string => {
  const [a, b, c, d] = [x1, y1, x2, y2].map((at) => at.toFixed(1))
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${stroke}" ${attributes}/>`
}

/** 1, 2 and 5 in every decade. */
const ticks = (from: number, to: number): ReadonlyArray<number> => {
  const all: Array<number> = []
  for (let decade = 10 ** Math.floor(Math.log10(from)); decade <= to; decade *= 10)
    for (const step of [1, 2, 5]) if (step * decade >= from && step * decade <= to) all.push(step * decade)
  return all
}

const y = (share: number): number => PLOT.top + plotHeight * (1 - share)

/** Steps upwards at each sample. */
const curve = (samples: ReadonlyArray<number>, x: (millis: number) => number): string => {
  const sorted = samples.toSorted((a, b) => a - b)
  const points = sorted.map((millis, i) => `${x(millis).toFixed(1)},${y((i + 1) / sorted.length).toFixed(1)}`)
  return [`${x(sorted[0]).toFixed(1)},${y(0).toFixed(1)}`, ...points].join(" ")
}

/** Curves come in pairs of one colour, the first of which is dashed. */
export const distributions = (
  title: string,
  subtitle: string,
  curves: ReadonlyMap<string, ReadonlyArray<number>>
): string => {
  let [least, most] = [Number.POSITIVE_INFINITY, 0]
  for (const samples of curves.values())
    for (const millis of samples) [least, most] = [Math.min(least, millis), Math.max(most, millis)]
  const [from, to] = [least / 1.2, most * 1.2]
  const x = (millis: number): number =>
    PLOT.left + (plotWidth * Math.log(millis / from)) / Math.log(to / from)
  const bottom = PLOT.top + plotHeight
  const grid = [
    ...[0, 0.25, 0.5, 0.75, 0.99].flatMap((share) => [
      line(PLOT.left, y(share), WIDTH - PLOT.right, y(share), "#ddd"),
      text(PLOT.left - 8, y(share) + 4, `${100 * share} %`, `text-anchor="end" fill="${GREY}"`)
    ]),
    ...ticks(from, to).flatMap((millis) => [
      line(x(millis), PLOT.top, x(millis), bottom, "#ddd"),
      text(x(millis), bottom + 18, String(millis), `text-anchor="middle" fill="${GREY}"`)
    ])
  ]
  const drawn = [...curves].map(([name, samples], i) => {
    const stroke = colours[Math.floor(i / 2) % colours.length]
    const dash = i % 2 === 0 ? ' stroke-dasharray="4 3"' : ""
    // a line for each pair, below the plot
    const at = { x: PLOT.left + 40 + (i % 2) * 330, y: bottom + 62 + 18 * Math.floor(i / 2) }
    return [
      `<polyline points="${curve(samples, x)}" fill="none" stroke="${stroke}" stroke-width="2"${dash}/>`,
      line(at.x - 34, at.y - 4, at.x - 8, at.y - 4, stroke, `stroke-width="2"${dash}`),
      text(at.x, at.y, name)
    ].join("\n")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(PLOT.left, 26, title, 'font-size="16"'),
    text(PLOT.left, 46, subtitle, `fill="${GREY}"`),
    ...grid,
    ...drawn,
    text(PLOT.left + plotWidth / 2, bottom + 36, "milliseconds", `text-anchor="middle" fill="${GREY}"`),
    "</svg>\n"
  ].join("\n")
}
