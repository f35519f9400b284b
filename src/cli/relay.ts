/** `effect-quic relay` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Command, Flag } from "effect/cli"
import * as DialAddress from "../DialAddress.ts"
import type { Identity } from "../Identity.ts"
import { printable, printableJson } from "../internal/printable.ts"
import * as QuicMetrics from "../QuicMetrics.ts"
import type { RelayServerLimits, RelayServerOptions } from "../RelayServerOptions.ts"
import type { RelayServerShape } from "../RelayServerShape.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { CliHost } from "./CliHost.ts"
import { identityFlags, layerNoTrust, loadIdentity } from "./credentials.ts"
import { fail, reported } from "./report.ts"
import { untilInputEnds, untilInputEndsFlag } from "./serve.ts"
import { formatBytes } from "./units.ts"
import { drainFlagFor } from "./untilStopped.ts"

const optionalInt = (name: string, metavar: string, description: string) =>
  Flag.Int(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

const limitFlags = {
  maxClients: optionalInt("max-clients", "N", "How many keys may be connected (default: 10000)"),
  maxPerSource: optionalInt("max-per-source", "N", "Connections from one address (default: 512)"),
  maxRate: optionalInt("max-rate", "BYTES", "Bytes per second of one client (default: 8388608)"),
  maxBurst: optionalInt("max-burst", "BYTES", "Bytes of one client at once (default: 2097152)")
}

interface LimitChoice {
  readonly maxClients: Option.Option<number>
  readonly maxPerSource: Option.Option<number>
  readonly maxRate: Option.Option<number>
  readonly maxBurst: Option.Option<number>
}

const limitsOf = (given: LimitChoice): RelayServerLimits => {
  const limits = {
    clients: Option.getOrUndefined(given.maxClients),
    connectionsPerSource: Option.getOrUndefined(given.maxPerSource),
    bytesPerSecond: Option.getOrUndefined(given.maxRate),
    burstBytes: Option.getOrUndefined(given.maxBurst)
  }
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
}

/** What the options of the API are called here, so that an error names what was typed. */
const flagOf: Readonly<Record<string, string | undefined>> = {
  "limits.clients": "--max-clients",
  "limits.connectionsPerSource": "--max-per-source",
  "limits.bytesPerSecond": "--max-rate",
  "limits.burstBytes": "--max-burst",
  "discovery.port": "--qad-port",
  port: "--port",
  host: "--host",
  url: "--url"
}

const HEX_KEY = /^[0-9a-f]{64}$/i

/** A key in hex, as iroh prints it, or a ticket, which has one; undefined for anything else. */
const keyIn = Effect.fnUntraced(function* (text: string) {
  if (HEX_KEY.test(text)) return Uint8Array.from(text.match(/../g)!, (byte) => Number.parseInt(byte, 16))
  const address = yield* Effect.option(DialAddress.parse(text))
  return Option.getOrUndefined(address)?.publicKey
})

/** Keys of a file: one a line, `#` begins a comment. */
const keysOfFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const keys: Array<Uint8Array> = []
  for (const [i, line] of (yield* fs.readFileString(file)).split("\n").entries()) {
    const text = line.replace(/#.*/, "").trim()
    if (text === "") continue
    const key = yield* keyIn(text)
    if (key === undefined)
      return yield* fail(
        `${file}: line ${i + 1} is neither a key of 64 hex digits nor a ticket: ${printable(text, 80)}`
      )
    keys.push(key)
  }
  return keys
})

const allowedKeys = Effect.fnUntraced(function* (given: ReadonlyArray<string>) {
  const keys: Array<Uint8Array> = []
  for (const text of given) {
    const key = yield* keyIn(text)
    if (key === undefined) keys.push(...(yield* keysOfFile(text)))
    else keys.push(key)
  }
  return keys
})

interface Choice extends LimitChoice {
  readonly host: string
  readonly port: Option.Option<number>
  readonly http: boolean
  readonly url: Option.Option<string>
  readonly cert: Option.Option<string>
  readonly key: Option.Option<string>
  readonly allow: ReadonlyArray<string>
  readonly qadPort: number
  readonly noQad: boolean
}

/** The certificate of the relay, and that of address discovery, which is QUIC and always needs one. */
const identitiesOf = Effect.fnUntraced(function* (choice: Choice) {
  const given = Option.isSome(choice.cert) || Option.isSome(choice.key)
  if (choice.http && given)
    return yield* fail("--http has no certificate: use either --http or --cert and --key")
  if (given && Option.isNone(choice.cert))
    return yield* fail("--key needs its certificate: --cert FILE; clients of a relay speak TLS of the Web")
  if (!choice.http && !given)
    return yield* fail("give a certificate, --cert FILE --key FILE, or --http to run without TLS")
  const identity = yield* loadIdentity(choice)
  return { relay: choice.http ? undefined : identity, discovery: identity }
})

const optionsOf = Effect.fnUntraced(function* (
  choice: Choice,
  { relay: identity, discovery }: { readonly relay: Identity | undefined; readonly discovery: Identity }
) {
  const port = Option.getOrUndefined(choice.port)
  const url = Option.getOrUndefined(choice.url)
  return {
    host: choice.host,
    ...(port !== undefined && { port }),
    ...(url !== undefined && { url }),
    ...(identity && { identity }),
    ...(choice.allow.length > 0 && { allow: yield* allowedKeys(choice.allow) }),
    discovery: choice.noQad ? false : { port: choice.qadPort, identity: discovery },
    limits: limitsOf(choice)
  } satisfies RelayServerOptions
})

const start = Effect.fnUntraced(function* (choice: Choice) {
  const host = yield* CliHost
  const options = yield* optionsOf(choice, yield* identitiesOf(choice))
  return yield* Effect.catchReason(host.relay(options), "QuicError", "InvalidOption", ({ field, problem }) =>
    fail(`${flagOf[field] ?? field}: ${problem}`)
  )
})

const introduce = (relay: RelayServerShape, allow: ReadonlyArray<string>, metrics: string | undefined) =>
  [
    `Relaying at  ${relay.url}`,
    `Addresses    ${relay.discovery === undefined ? "not told (--no-qad)" : `told at ${formatAddress(relay.discovery.localAddress)}, UDP`}`,
    `Clients      ${allow.length === 0 ? "anybody who proves a key" : "the keys of --allow"}`,
    ...(metrics === undefined ? [] : [`Metrics      ${metrics}`]),
    "Press Ctrl-C to stop."
  ].join("\n")

const clients = (count: number): string => `${count} client${count === 1 ? "" : "s"}`

const run = Effect.fnUntraced(function* (
  choice: Choice & {
    readonly drain: number
    readonly json: boolean
    readonly metricsPort: Option.Option<number>
  }
) {
  const { stopRequested, serveMetrics } = yield* CliHost
  const relay = yield* start(choice)
  const metrics = Option.isSome(choice.metricsPort)
    ? yield* Effect.catch(serveMetrics(choice.metricsPort.value), ({ message }) => fail(message))
    : undefined
  const report = (event: object, text: string) => Console.log(choice.json ? printableJson(event) : text)
  const { url, address, discovery } = relay
  yield* report(
    { event: "listening", url, address, discovery: discovery?.localAddress, metrics },
    introduce(relay, choice.allow, metrics)
  )
  yield* stopRequested
  const { forwarded, forwardedBytes, ...before } = yield* relay.statistics
  yield* report(
    { event: "draining", clients: before.clients, seconds: choice.drain },
    `Stopping: ${clients(before.clients)} told, at most ${choice.drain} s. Press Ctrl-C again to stop at once.`
  )
  const { left, cutOff } = yield* relay.drain({ deadline: choice.drain * 1000 })
  yield* report(
    { event: "drained", left, cutOff, forwarded, forwardedBytes },
    `Stopped: ${left} left, ${cutOff} cut off; ${formatBytes(forwardedBytes)} relayed.`
  )
})

export const relay = Command.make(
  "relay",
  {
    host: Flag.String("host").pipe(
      Flag.withDescription("IP address to listen on (default: 0.0.0.0); :: includes IPv6"),
      Flag.withDefault("0.0.0.0")
    ),
    port: Flag.Int("port").pipe(
      Flag.withAlias("p"),
      Flag.withDescription("TCP port to listen on (default: 443; with --http 3340); 0 selects a free one"),
      Flag.optional
    ),
    http: Flag.Boolean("http").pipe(
      Flag.withDescription("Without TLS: for development, or behind a proxy that ends TLS"),
      Flag.withDefault(false)
    ),
    ...identityFlags,
    key: Flag.File("key").pipe(Flag.withDescription("Private key (PEM) of --cert"), Flag.optional),
    url: Flag.String("url").pipe(
      Flag.withDescription("URL by which clients reach it, if not what it listens on"),
      Flag.optional
    ),
    allow: Flag.String("allow").pipe(
      Flag.withMetavar("FILE|KEY"),
      Flag.withDescription(
        "Let in only this key (64 hex digits, or a ticket), or those of a file, one a line; repeatable"
      ),
      Flag.atLeast(0)
    ),
    ...limitFlags,
    qadPort: Flag.Int("qad-port").pipe(
      Flag.withMetavar("PORT"),
      Flag.withDescription("UDP port of address discovery (default: 7842); 0 selects a free one"),
      Flag.withDefault(7842)
    ),
    noQad: Flag.Boolean("no-qad").pipe(
      Flag.withDescription("Without address discovery"),
      Flag.withDefault(false)
    ),
    metricsPort: optionalInt("metrics-port", "PORT", "Metrics for Prometheus at this port of 127.0.0.1"),
    drain: drainFlagFor("clients may take to leave"),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print events as JSON, one object per line"),
      Flag.withDefault(false)
    ),
    untilInputEnds: untilInputEndsFlag
  },
  (options) => {
    const running = run(options)
    return (options.untilInputEnds ? untilInputEnds(running) : running).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(layerNoTrust, QuicMetrics.layer())),
      reported
    )
  }
).pipe(
  Command.withDescription(
    "Relay QUIC packets between peers that cannot reach each other, by iroh's relay protocol (version 2, a WebSocket), and tell clients their address over QUIC. It sees who sends how much to whom, but only ciphertext. SIGTERM tells clients to come back later."
  ),
  Command.withShortDescription("Relay between peers behind NATs"),
  Command.withExamples([
    { command: "effect-quic relay --http", description: "For development, at port 3340" },
    {
      command: "effect-quic relay --cert fullchain.pem --key privkey.pem --url https://relay.example.org",
      description: "On the Internet, at ports 443 (TCP) and 7842 (UDP)"
    },
    {
      command: "effect-quic relay --http --allow friends.txt --max-rate 1000000",
      description: "For known peers, 1 MB/s each"
    }
  ])
)
