/** `effect-quic send` */
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Argument, Command, Flag } from "effect/cli"
import * as DialAddress from "../DialAddress.ts"
import * as Identity from "../Identity.ts"
import { printable } from "../internal/printable.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import { QuicEndpoint, type QuicEndpointShape } from "../QuicEndpoint.ts"
import { badPath } from "../transfer/names.ts"
import { sizeOf } from "../transfer/offer.ts"
import { refusalText, TransferRefusal, transferAlpn } from "../transfer/requests.ts"
import { serveTransfer, type TransferSource } from "../transfer/serveTransfer.ts"
import { formatTicket } from "../transfer/ticket.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { CliHost } from "./CliHost.ts"
import { layerNoTrust, loadIdentity } from "./credentials.ts"
import { ExitCode } from "./exitCodes.ts"
import { findFiles, offerFiles } from "./offeredFiles.ts"
import { offerStandardInput } from "./offeredStream.ts"
import { type Above, pictured } from "./picture.ts"
import { withProgress } from "./ProgressBar.ts"
import { relayFlag } from "./reach.ts"
import { fail, reported } from "./report.ts"
import { SendView } from "./sendView.ts"
import { describeStop, drainFlag, untilStopped } from "./untilStopped.ts"
import { formatBytes, formatCount } from "./units.ts"

/** Receivers at a time. */
const MAX_RECEIVERS = 64
/** Requests of one receiver at a time. */
const MAX_REQUESTS = 64

/** What is offered, in words. */
const describeOffer = ({ offer }: TransferSource): string => {
  const [{ kind, path }] = offer.entries
  if (kind === "stream") return "standard input, to the first who asks"
  const size = formatBytes(sizeOf(offer))
  return offer.entries.length === 1
    ? `${printable(path)}, ${size}`
    : `${formatCount(offer.entries.length, "file")}, ${size}`
}

/** Both families, or IPv4 on a machine without IPv6, unless told where. */
const bind = Effect.fnUntraced(function* (
  options: { readonly host: string; readonly port: number; readonly relay: ReadonlyArray<string> },
  identity: Identity.Identity
) {
  const { port, relay } = options
  const server = {
    alpn: [transferAlpn],
    // who has the ticket may be anybody
    clientCertificate: "none",
    transport: { maxBidirectionalStreams: MAX_REQUESTS, maxUnidirectionalStreams: 0 }
  } as const
  const at = (host: string) => QuicEndpoint.make({ host, port, identity, server, relays: relay })
  if (options.host !== "") return yield* at(options.host)
  return yield* Effect.catchReason(at("::"), "QuicError", "BindFailed", () => at("0.0.0.0"))
})

/** How long a relay may take before the ticket is printed without it. */
const ONLINE_MILLIS = 10_000

/** Where the sender is found, once its relays know it. */
const whereabouts = Effect.fnUntraced(function* (endpoint: QuicEndpointShape) {
  yield* Effect.ignore(Effect.timeout(endpoint.online, ONLINE_MILLIS))
  const address = yield* endpoint.dialAddress
  for (const { isConfigured, isLinked, problem, url } of yield* endpoint.relays)
    if (isConfigured && !isLinked)
      yield* Console.error(
        `effect-quic: warning: the relay ${printable(url)} is not reached${problem === undefined ? "" : `: ${printable(problem)}`}`
      )
  return address
})

/** The source of one receiver, which tells when content has been opened for it, in the same step. */
const onTaken = (source: TransferSource, taken: () => void): TransferSource => ({
  ...source,
  open: (entry, offset) =>
    Effect.uninterruptible(Effect.tap(source.open(entry, offset), () => Effect.sync(taken)))
})

const serveReceivers = Effect.fnUntraced(function* (
  endpoint: QuicEndpointShape,
  source: TransferSource,
  options: { readonly drain: number; readonly once: boolean },
  above: Above,
  view: SendView
) {
  let receivers = 0
  const over = yield* Deferred.make<boolean>()
  const isStream = source.offer.entries[0].kind === "stream"
  const serveOne = (connection: QuicConnection) =>
    Effect.gen(function* () {
      const receiver = yield* view.joined(formatAddress(connection.remoteAddress))
      let hasTaken = false
      const taking = onTaken(source, () => (hasTaken = true))
      const served = serveTransfer(connection, taking, {
        onKept: (bytes) => {
          receiver.kept += bytes
        },
        onSent: (bytes) => {
          receiver.sent += bytes
        },
        onReceived: view.hasAll(receiver),
        onRefused: (code) => view.refused(receiver, refusalText(code))
      })
      yield* Effect.matchEffect(served, {
        onSuccess: () => view.left(receiver, undefined),
        onFailure: ({ message }) => view.left(receiver, message)
      })
      // a stream that it has taken, read or not, nobody else can get
      if (options.once && (receiver.hasAll || (isStream && hasTaken)))
        yield* Deferred.succeed(over, receiver.hasAll)
    })
  const serving = endpoint.serve((connection) =>
    Effect.suspend(() => {
      if (receivers === MAX_RECEIVERS)
        return connection.close(TransferRefusal.busy, refusalText(TransferRefusal.busy))
      receivers++
      return Effect.ensuring(
        serveOne(connection),
        Effect.sync(() => void receivers--)
      )
    })
  )
  const stopped = untilStopped(endpoint, serving, options.drain, (event) =>
    above(Console.log(describeStop(event)))
  )
  const isComplete = yield* Effect.raceFirst(Effect.as(stopped, true), Deferred.await(over))
  if (!isComplete) yield* fail("the receiver left before it had everything", ExitCode.lost)
})

/** What the arguments say, hashed. */
const offered = Effect.fnUntraced(function* ({
  files,
  name
}: {
  readonly files: ReadonlyArray<string>
  readonly name: string
}) {
  if (files.includes("-")) {
    if (files.length > 1)
      return yield* fail("standard input (-) is sent alone, without other files", ExitCode.usage)
    const problem = badPath(name)
    if (problem !== undefined) return yield* fail(`--name: ${problem} cannot be sent`, ExitCode.usage)
    return yield* offerStandardInput(name)
  }
  const { found, skipped } = yield* findFiles(files)
  for (const path of skipped) yield* Console.error(`effect-quic: ${printable(path)}: not a file, not sent`)
  let hashed = 0
  const total = found.reduce((sum, { info }) => sum + Number(info?.size ?? 0), 0)
  return yield* withProgress(
    { label: "hashing", done: () => hashed, total: () => total },
    offerFiles(found, (count) => {
      hashed += count
    })
  )
})

const rawIdentity = (key: Option.Option<string>) =>
  Option.isSome(key) ? loadIdentity({ cert: Option.none(), key }) : Identity.generateRawKey

export const send = Command.make(
  "send",
  {
    files: Argument.String("file").pipe(
      Argument.withDescription("Files and directories to send; - is standard input"),
      Argument.atLeast(1)
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("What standard input is called (default: stdin)"),
      Flag.withDefault("stdin")
    ),
    once: Flag.Boolean("once").pipe(
      Flag.withDescription("End when somebody has everything (always so for -)"),
      Flag.withDefault(false)
    ),
    host: Flag.String("host").pipe(
      Flag.withMetavar("IP"),
      Flag.withDescription("IP address to listen on (default: all)"),
      Flag.withDefault("")
    ),
    port: Flag.Int("port").pipe(
      Flag.withAlias("p"),
      Flag.withDescription("UDP port to listen on (default: a free one)"),
      Flag.withDefault(0)
    ),
    key: Flag.File("key").pipe(
      Flag.withDescription("Raw key (PEM) to be known by (default: a new one)"),
      Flag.optional
    ),
    relay: relayFlag,
    drain: drainFlag
  },
  (options) =>
    Effect.gen(function* () {
      const { monotonicMillis } = yield* CliHost
      const source = yield* offered(options)
      const isStream = source.offer.entries[0].kind === "stream"
      const identity = yield* rawIdentity(options.key)
      if (DialAddress.publicKeyOf(identity) === undefined)
        return yield* fail(
          "--key: a ticket needs an Ed25519 key, see `effect-quic keygen --raw`",
          ExitCode.usage
        )
      const endpoint = yield* bind(options, identity)
      const address = yield* whereabouts(endpoint)
      const ticket = formatTicket({ address, offer: source.hash })
      yield* Console.log(`Sending ${describeOffer(source)}. Press Ctrl-C to stop.\n`)
      yield* Console.log(`effect-quic receive ${ticket}\n`)
      const frame = { draw: (_columns: number): ReadonlyArray<string> => [] }
      yield* pictured(
        (columns) => frame.draw(columns),
        (above) => {
          const view = new SendView(isStream ? undefined : sizeOf(source.offer), monotonicMillis, above)
          frame.draw = (columns) => view.frame(columns)
          const { drain, once } = options
          return serveReceivers(endpoint, source, { drain, once: once || isStream }, above, view)
        }
      )
    }).pipe(Effect.scoped, Effect.provide(layerNoTrust), reported)
).pipe(
  Command.withDescription(
    "Send files, directories or standard input to whoever has the ticket that is printed, as often as they ask. Everything is encrypted for the holder of the ticket and verified in pieces; an interrupted transfer goes on where it was."
  ),
  Command.withShortDescription("Send files to whoever has the ticket"),
  Command.withExamples([
    { command: "effect-quic send report.pdf photos", description: "A file and a directory" },
    { command: "tar c . | effect-quic send - --name here.tar", description: "What another program writes" }
  ])
)
