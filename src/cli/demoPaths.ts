/** `effect-quic demo --paths`: the file over two links at once, of which one is lost in mid-transfer and comes back. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { QuicEndpoint } from "../QuicEndpoint.ts"
import type { QuicPath } from "../QuicPath.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import { CliHost } from "./CliHost.ts"
import type { Destination } from "./destination.ts"
import { connectionFacts } from "./get.ts"
import { download } from "./hqClient.ts"
import { hqAlpn } from "./hqRequest.ts"
import type { HqTarget } from "./hqTarget.ts"
import { labelled } from "./presenter.ts"
import { drawPaths, PathTrack, sampleMillis } from "./pathsPicture.ts"
import { withPicture } from "./picture.ts"
import { drawProgress } from "./ProgressBar.ts"
import { layerShaped, ShapedLink } from "./ShapedLink.ts"
import { formatBitRate, formatBytes, formatMillis } from "./units.ts"

/** The share of the file after which the first link is lost, and after which it is back. */
const LOST = 0.4
const BACK = 0.8

export const demoPaths = 2

/** What a link carried, and how long nothing arrived at most. */
class Watch {
  arrived = 0
  longestGapMillis = 0
  private readonly now: () => number
  private readonly link: ShapedLink
  private readonly total: number
  private lastMillis: number | undefined = undefined

  constructor(now: () => number, link: ShapedLink, total: number) {
    this.now = now
    this.link = link
    this.total = total
  }

  readonly onBytes = (count: number): void => {
    const now = this.now()
    if (this.lastMillis !== undefined)
      this.longestGapMillis = Math.max(this.longestGapMillis, now - this.lastMillis)
    this.lastMillis = now
    this.arrived += count
    this.link.isDown = this.arrived >= LOST * this.total && this.arrived < BACK * this.total
  }
}

const stateOf = ({ info: { state, isSilent } }: QuicPath, { isDown }: ShapedLink): string =>
  isDown ? "lost" : isSilent ? "silent" : state

const nameOf = (id: number, { rates }: ShapedLink): string =>
  `path ${id}  ${formatBitRate(rates.bitsPerSecond)}, ${rates.roundTripMillis} ms`

/** Measures the rate of each path until it is interrupted. */
const measure = (
  tracks: ReadonlyArray<PathTrack>,
  paths: ReadonlyArray<QuicPath>,
  links: ReadonlyArray<ShapedLink>,
  now: () => number
) =>
  Effect.gen(function* () {
    for (let before = now(); ; ) {
      yield* Effect.sleep(sampleMillis)
      const millis = now() - before
      before += millis
      for (const [i, track] of tracks.entries())
        track.add({ bytes: paths[i].info.bytesReceived, state: stateOf(paths[i], links[i]) }, millis)
    }
  })

const openBoth = Effect.fnUntraced(function* (connection: QuicConnection, host: string) {
  const second = yield* connection.openPath({ local: { host } })
  return [connection.path(0)!, second]
})

/** Downloads `target`; returns what to print of it too. */
export const downloadOverTwo = Effect.fnUntraced(function* (
  target: HqTarget,
  total: number,
  to: Destination
) {
  const { monotonicMillis } = yield* CliHost
  const links = [
    new ShapedLink({ bitsPerSecond: 50e6, roundTripMillis: 20 }),
    new ShapedLink({ bitsPerSecond: 20e6, roundTripMillis: 60 })
  ]
  const { host, port } = target
  const endpoint = yield* QuicEndpoint.make({ host, autoMigrate: false }).pipe(
    Effect.provide(layerShaped(links))
  )
  const connection = yield* endpoint.connect({
    host,
    port,
    alpn: [hqAlpn],
    transport: { maxPaths: demoPaths }
  })
  const paths = yield* openBoth(connection, host)
  yield* Console.log("Client   connected over two links, trusting only that certificate")
  const tracks = links.map((link, id) => new PathTrack(nameOf(id, link), link.rates.bitsPerSecond))
  const watch = new Watch(monotonicMillis, links[0], total)
  const startedAt = monotonicMillis()
  const frame = (columns: number) => [
    drawProgress(
      { label: `Receiving ${formatBytes(total)}`, done: watch.arrived, total },
      monotonicMillis() - startedAt,
      columns
    ),
    ...drawPaths(tracks, columns)
  ]
  const transfer = withPicture(frame, download(connection, target, to, watch.onBytes))
  const done = yield* Effect.raceFirst(transfer, measure(tracks, paths, links, monotonicMillis))
  const share = (part: number) => formatBytes(part * total)
  const facts = [
    ...paths.map(({ info }, i) => `${tracks[i].name}: ${formatBytes(info.bytesReceived)}`),
    `${tracks[0].name.slice(0, 6)} was lost from ${share(LOST)} to ${share(BACK)}; longest pause ${formatMillis(watch.longestGapMillis)}`
  ]
  const lines = facts.flatMap((text, i) => labelled(i === 0 ? "Links    " : "         ", text))
  return { done, facts: connectionFacts(connection), lines }
}, Effect.scoped)
