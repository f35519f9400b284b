/** A live picture of the paths of a connection: what each has carried, and how fast, over time. */
import { cut, padEnd, padStart } from "./cells.ts"
import { formatBitRate, formatBytes } from "./units.ts"

/** What is known of a path at one moment. */
export interface PathSample {
  /** Since the path was opened. */
  readonly bytes: number
  readonly state: string
}

/** How often the rates are measured: long enough to be steady, short enough to show how fast another path takes over. */
export const sampleMillis = 200

/** A path and its rates so far. */
export class PathTrack {
  readonly name: string
  /** What the link can carry, which is the height of its columns. */
  readonly most: number
  /** Bits per second in each interval, the latest last. */
  readonly rates: Array<number> = []
  bytes = 0
  state = ""

  constructor(name: string, most: number) {
    this.name = name
    this.most = most
  }

  add({ bytes, state }: PathSample, millis: number): void {
    this.rates.push(((bytes - this.bytes) * 8000) / millis)
    this.bytes = bytes
    this.state = state
  }
}

const levels = "▁▂▃▄▅▆▇█"

/** A column for each rate, the latest on the right: a space for nothing at all, full height for `most` and more. */
export const columnsOf = (rates: ReadonlyArray<number>, most: number, cells: number): string =>
  rates
    .slice(-cells)
    .map((rate) => (rate <= 0 ? " " : levels[Math.min(7, Math.floor((rate / most) * 8))]))
    .join("")

/** Twenty seconds. */
const mostColumns = 100
const rateCells = 11
const bytesCells = 8
const stateCells = 8
const between = 2

/** One line for each path, of at most `columns` cells less one. */
export const drawPaths = (tracks: ReadonlyArray<PathTrack>, columns: number): ReadonlyArray<string> => {
  const nameCells = Math.max(...tracks.map(({ name }) => name.length))
  const free = columns - 1 - nameCells - rateCells - bytesCells - stateCells - 4 * between
  const room = Math.min(free, mostColumns)
  return tracks.map(({ name, rates, most, bytes, state }) => {
    const facts = [
      padStart(formatBitRate(rates.at(-1) ?? 0), rateCells),
      padStart(formatBytes(bytes), bytesCells),
      padEnd(state, stateCells)
    ]
    const picture = room < 5 ? [] : [padEnd(columnsOf(rates, most, room), room)]
    return cut([padEnd(name, nameCells), ...picture, ...facts].join(" ".repeat(between)), columns - 1)
  })
}
