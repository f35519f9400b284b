/** `effect-quic ping` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Argument, Command, Flag } from "effect/cli"
import type { PathInfo } from "../ConnectionPaths.ts"
import * as DialAddress from "../DialAddress.ts"
import { printable, printableJson } from "../internal/printable.ts"
import * as PeerId from "../PeerId.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import { Sender } from "../transfer/askSender.ts"
import { HASH_BYTES } from "../transfer/chunks.ts"
import { transferAlpn } from "../transfer/requests.ts"
import { addressIn } from "../transfer/ticket.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { CliHost } from "./CliHost.ts"
import { ExitCode } from "./exitCodes.ts"
import { reach } from "./reach.ts"
import { fail, reported } from "./report.ts"
import { formatMillis } from "./units.ts"

/** An answer that takes longer counts as lost. */
const LOST_MILLIS = 10_000

export type PingEvent =
  | { readonly event: "connected"; readonly peer: string; readonly millis: number; readonly via: string }
  /** `millis` is undefined if there was no answer. */
  | { readonly event: "ping"; readonly number: number; readonly millis?: number; readonly via: string }
  /** All paths of the connection, whenever one has changed. */
  | { readonly event: "paths"; readonly millis: number; readonly paths: ReadonlyArray<PingPath> }
  | {
      readonly event: "summary"
      readonly sent: number
      readonly answered: number
      readonly minMillis?: number
      readonly medianMillis?: number
      readonly maxMillis?: number
      /** From the beginning until a direct path was in use, if one ever was. */
      readonly directAfterMillis?: number
    }

interface PingPath {
  readonly id: number
  readonly via: string
  readonly isDirect: boolean
  readonly state: PathInfo["state"]
  readonly isUsed: boolean
  readonly rttMillis: number
}

const viaOf = ({ remote }: PathInfo): string =>
  remote.relayed === undefined ? `direct, ${formatAddress(remote)}` : `relayed, ${printable(remote.relayed)}`

const shownPath = (path: PathInfo): PingPath => ({
  id: path.id,
  via: viaOf(path),
  isDirect: path.remote.relayed === undefined,
  state: path.state,
  isUsed: path.carriesData,
  rttMillis: path.smoothedRttMillis
})

/** The path that data goes on. */
const inUse = ({ paths }: QuicConnection): PathInfo =>
  paths.find(({ carriesData }) => carriesData) ?? paths[0]

const describePath = ({ id, isUsed, rttMillis, state, via }: PingPath): string =>
  `path ${id} ${isUsed ? "in use" : state} (${via}, RTT ${formatMillis(rttMillis)})`

const seconds = (millis: number | undefined): string => (millis === undefined ? "–" : formatMillis(millis))

/** One line for each event. */
export const describePing = (event: PingEvent): string => {
  switch (event.event) {
    case "connected":
      return `Peer ${event.peer} answers after ${formatMillis(event.millis)} (${event.via})`
    case "ping": {
      const time = event.millis === undefined ? "no answer" : formatMillis(event.millis)
      return `${event.number}  ${time}  ${event.via}`
    }
    case "paths":
      return `   after ${formatMillis(event.millis)}: ${event.paths.map(describePath).join("; ")}`
    case "summary": {
      const { answered, directAfterMillis, maxMillis, medianMillis, minMillis, sent } = event
      const times = `min ${seconds(minMillis)}, median ${seconds(medianMillis)}, max ${seconds(maxMillis)}`
      const direct =
        directAfterMillis === undefined ? "never direct" : `direct after ${formatMillis(directAfterMillis)}`
      return `${answered} of ${sent} answered; ${times}; ${direct}`
    }
  }
}

/** What has been measured so far. */
export class PingSummary {
  private readonly times: Array<number> = []
  private sent = 0
  private directAfter: number | undefined

  answered(millis: number | undefined): void {
    this.sent++
    if (millis !== undefined) this.times.push(millis)
  }

  get isEmpty(): boolean {
    return this.sent === 0
  }

  saw(paths: ReadonlyArray<PingPath>, millis: number): void {
    if (paths.some(({ isDirect, isUsed }) => isDirect && isUsed)) this.directAfter ??= millis
  }

  get event(): Extract<PingEvent, { readonly event: "summary" }> {
    const sorted = this.times.toSorted((a, b) => a - b)
    return {
      event: "summary",
      sent: this.sent,
      answered: sorted.length,
      ...(sorted.length > 0 && {
        minMillis: sorted[0],
        medianMillis: sorted[Math.floor((sorted.length - 1) / 2)],
        maxMillis: sorted[sorted.length - 1]
      }),
      ...(this.directAfter !== undefined && { directAfterMillis: this.directAfter })
    }
  }
}

interface PingOptions {
  readonly count: Option.Option<number>
  readonly interval: number
}

const pinging = Effect.fnUntraced(function* (
  connection: QuicConnection,
  { count, interval }: PingOptions,
  summary: PingSummary,
  startedAt: number,
  report: (event: PingEvent) => Effect.Effect<void>
) {
  const { monotonicMillis } = yield* CliHost
  const since = () => monotonicMillis() - startedAt
  const watch = Stream.runForEach(connection.pathChanges, (paths) => {
    const shown = paths.map(shownPath)
    summary.saw(shown, since())
    return report({ event: "paths", millis: since(), paths: shown })
  })
  yield* Effect.forkScoped(Effect.ignore(watch))
  const sender = new Sender(connection, new Uint8Array(HASH_BYTES))
  const times = Option.getOrElse(count, () => Number.POSITIVE_INFINITY)
  for (let number = 1; number <= times; number++) {
    if (number > 1) yield* Effect.sleep(interval * 1000)
    const sentAt = monotonicMillis()
    const answer = yield* Effect.option(Effect.timeout(sender.echo, LOST_MILLIS))
    const millis = Option.isSome(answer) ? monotonicMillis() - sentAt : undefined
    summary.answered(millis)
    yield* report({
      event: "ping",
      number,
      via: viaOf(inUse(connection)),
      ...(millis !== undefined && { millis })
    })
  }
})

export const ping = Command.make(
  "ping",
  {
    ticket: Argument.String("ticket").pipe(
      Argument.withDescription("Of `effect-quic send`, or of any peer that answers its pings")
    ),
    count: Flag.Int("count").pipe(
      Flag.withAlias("c"),
      Flag.withDescription("How many pings (default: until Ctrl-C)"),
      Flag.filter(
        (count) => count > 0,
        (count) => `at least 1 ping, not ${count}`
      ),
      Flag.optional
    ),
    interval: Flag.Finite("interval").pipe(
      Flag.withAlias("i"),
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("Time between pings (default: 1)"),
      Flag.withDefault(1),
      Flag.filter(
        (interval) => interval >= 0.01 && interval <= 3600,
        (interval) => `0.01 to 3600 seconds, not ${interval}`
      )
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print events as JSON, one object per line"),
      Flag.withDefault(false)
    )
  },
  (options) =>
    Effect.gen(function* () {
      const { monotonicMillis, stopRequested } = yield* CliHost
      const address = yield* addressIn(options.ticket)
      const report = (event: PingEvent) =>
        Console.log(options.json ? printableJson(event) : describePing(event))
      const summary = new PingSummary()
      const startedAt = monotonicMillis()
      const run = Effect.gen(function* () {
        const connection = yield* reach(address, transferAlpn)
        yield* report({
          event: "connected",
          peer: PeerId.short(DialAddress.peerId(address)),
          millis: monotonicMillis() - startedAt,
          via: viaOf(inUse(connection))
        })
        const lost = Effect.flatMap(connection.closed, Effect.fail)
        yield* Effect.raceFirst(pinging(connection, options, summary, startedAt, report), lost)
      }).pipe(Effect.scoped)
      yield* Effect.ensuring(
        Effect.raceFirst(run, stopRequested),
        Effect.suspend(() => (summary.isEmpty ? Effect.void : report(summary.event)))
      )
      if (summary.event.answered === 0) yield* fail("no answer", ExitCode.unreachable)
    }).pipe(reported)
).pipe(
  Command.withDescription(
    "Connect to a peer by its ticket and measure the round trip, again and again: directly or through a relay, and what changes meanwhile."
  ),
  Command.withShortDescription("Measure the way to a peer"),
  Command.withExamples([{ command: "effect-quic ping quicpeer… -c 10", description: "Ten times" }])
)
