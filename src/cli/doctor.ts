/** `effect-quic doctor` */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Command, Flag } from "effect/cli"
import { AddressResolver } from "effect/net/AddressResolver"
import * as NetAddress from "effect/net/NetAddress"
import * as AddressDiscovery from "../AddressDiscovery.ts"
import { NetworkInterfaces } from "../capability/NetworkInterfaces.ts"
import * as Identity from "../Identity.ts"
import { printable, printableJson } from "../internal/printable.ts"
import { QuicEndpoint, type QuicEndpointShape } from "../QuicEndpoint.ts"
import { formatAddress, type SocketAddress, socketAddress } from "../wire/SocketAddress.ts"
import { layerTrust, trustFlags } from "./credentials.ts"
import {
  describeObservation,
  type Finding,
  findings,
  isBad,
  type Measured,
  natKind,
  type Observation
} from "./diagnosis.ts"
import { labelled } from "./presenter.ts"
import { misused, reported, Reported } from "./report.ts"
import { relayFlag } from "./reach.ts"
import { ExitCode } from "./exitCodes.ts"

/** How long a node has to answer, and then to say what it sees. */
const ANSWER_MILLIS = 5_000
const OBSERVATION_MILLIS = 2_000
/** How long path MTU discovery may look for more. */
const MTU_MILLIS = 1_500
const MAX_NODES = 16

interface Node {
  /** As it was given. */
  readonly name: string
  readonly host: string
  readonly port: number
}

const parseNode = Effect.fnUntraced(function* (text: string) {
  const match = /^(?:\[([^\]]+)\]|([^:/]+))(?::(\d{1,5}))?$/.exec(text)
  const port = Number(match?.[3] ?? AddressDiscovery.port)
  if (match === null || port < 1 || port > 65_535)
    return yield* misused(`--bootstrap: expected HOST:PORT, not ${printable(text)}`)
  return { name: text, host: match[1] ?? match[2], port } satisfies Node
})

/** Where the host of a relay answers address discovery. */
const nodeOfRelay = (url: string, port: number): ReadonlyArray<Node> => {
  const host = URL.parse(url)?.hostname.replace(/^\[(.*)\]$/, "$1")
  return host === undefined || host === "" ? [] : [{ name: host, host, port }]
}

/** One address of the node in each family, or why there is none. */
const addressesOf = Effect.fnUntraced(function* ({ host, port }: Node) {
  const literal = socketAddress(host, port)
  if (literal !== undefined) return [literal]
  const { resolve } = yield* AddressResolver
  const found = yield* Effect.orElseSucceed(resolve(`${host}:${port}`), () => [])
  const all = found.flatMap((one) =>
    "address" in one ? (socketAddress(NetAddress.formatHost(one), one.port) ?? []) : []
  )
  return ([4, 6] as const).flatMap((family) => all.find((address) => address.family === family) ?? [])
})

/** Asks over one family what a node sees, and how large a datagram arrives there. */
const observe = (endpoint: QuicEndpointShape, { name, host }: Node, remote: SocketAddress) =>
  Effect.gen(function* () {
    const connection = yield* endpoint.connect({
      host: remote.host,
      port: remote.port,
      alpn: [AddressDiscovery.alpn],
      serverName: host,
      connectTimeout: ANSWER_MILLIS,
      transport: { addressDiscovery: "receive", handshakeTimeout: ANSWER_MILLIS }
    })
    const seen = connection.pathChanges.pipe(
      Stream.takeUntil(([path]) => path?.observedAddress !== undefined),
      Stream.runDrain
    )
    yield* Effect.ignore(Effect.timeout(seen, OBSERVATION_MILLIS))
    yield* Effect.sleep(MTU_MILLIS)
    const [path] = connection.paths
    return {
      node: name,
      family: remote.family,
      remote,
      ...(path.observedAddress !== undefined && { observed: path.observedAddress }),
      rttMillis: path.minRttMillis,
      datagramBytes: path.datagramBytes
    } satisfies Observation
  }).pipe(
    Effect.scoped,
    Effect.catch(({ message }) =>
      Effect.succeed<Observation>({ node: name, family: remote.family, problem: message })
    )
  )

const observeAll = Effect.fnUntraced(function* (endpoint: QuicEndpointShape, node: Node) {
  const addresses = yield* addressesOf(node)
  if (addresses.length === 0)
    return [{ node: node.name, family: 4, problem: `cannot resolve ${node.host}` } satisfies Observation]
  return yield* Effect.forEach(addresses, (remote) => observe(endpoint, node, remote), {
    concurrency: "unbounded"
  })
})

const localAddresses = Effect.fnUntraced(function* (port: number) {
  const { addresses } = yield* NetworkInterfaces
  return (yield* addresses)
    .filter(({ address, isLoopback }) => !isLoopback && !address.includes("%"))
    .flatMap(({ address }) => socketAddress(address, port) ?? [])
})

const measure = Effect.fnUntraced(function* (nodes: ReadonlyArray<Node>, relays: ReadonlyArray<string>) {
  const identity = yield* Identity.generateRawKey
  // nodes are asked once each, and all they say is shown
  const at = (host: string) => QuicEndpoint.make({ host, identity, relays, traversal: false })
  const endpoint = yield* Effect.catchReason(at("::"), "QuicError", "BindFailed", () => at("0.0.0.0"))
  const { port } = endpoint.localAddress
  const [observed] = yield* Effect.all(
    [
      Effect.forEach(nodes, (node) => observeAll(endpoint, node), { concurrency: "unbounded" }),
      Effect.ignore(Effect.timeout(endpoint.online, ANSWER_MILLIS))
    ],
    { concurrency: "unbounded" }
  )
  const reached = yield* endpoint.relays
  return {
    port,
    local: yield* localAddresses(port),
    observations: observed.flat(),
    relays: reached.map(({ isLinked, problem, rttMillis, url }) => ({
      url,
      ...(!isLinked && { problem: problem ?? "it does not answer" }),
      ...(rttMillis !== undefined && { rttMillis })
    }))
  } satisfies Measured as Measured
}, Effect.scoped)

const marks: Record<Finding["level"], string> = { good: "+", warning: "!", bad: "-" }

/** What was measured, and what it means. */
export const describeMeasured = (measured: Measured): ReadonlyArray<string> => [
  `This machine  ${measured.local.map(({ host }) => host).join(", ") || "has no address but its own"}`,
  ...measured.observations.flatMap((observation) =>
    labelled("Node          ", describeObservation(observation))
  ),
  "",
  ...findings(measured).flatMap(({ level, text }) => labelled(`${marks[level]} `, text))
]

/** The same for programs. */
export const jsonOf = (measured: Measured): unknown => ({
  ...measured,
  local: measured.local.map(formatAddress),
  observations: measured.observations.map(({ observed, remote, ...rest }) => ({
    ...rest,
    ...(remote !== undefined && { remote: formatAddress(remote) }),
    ...(observed !== undefined && { observed: formatAddress(observed) })
  })),
  nat: { ipv4: natKind(measured, 4), ipv6: natKind(measured, 6) },
  findings: findings(measured)
})

export const doctor = Command.make(
  "doctor",
  {
    bootstraps: Flag.String("bootstrap").pipe(
      Flag.withMetavar("HOST:PORT"),
      Flag.withDescription(
        `Node that says which address it sees (port ${AddressDiscovery.port} by default); repeatable, two tell the kind of NAT`
      ),
      Flag.atLeast(0)
    ),
    relay: relayFlag,
    qadPort: Flag.Int("qad-port").pipe(
      Flag.withMetavar("PORT"),
      Flag.withDescription(
        `UDP port at which the relays answer address discovery (default: ${AddressDiscovery.port})`
      ),
      Flag.withDefault(AddressDiscovery.port),
      Flag.filter(
        (port) => port >= 1 && port <= 65_535,
        (port) => `a port from 1 to 65535, not ${port}`
      )
    ),
    ...trustFlags,
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))
  },
  (options) =>
    Effect.gen(function* () {
      const named = yield* Effect.forEach(options.bootstraps, parseNode)
      const nodes = [...named, ...options.relay.flatMap((url) => nodeOfRelay(url, options.qadPort))]
      if (nodes.length > MAX_NODES) return yield* misused(`at most ${MAX_NODES} nodes and relays`)
      const measured = yield* measure(nodes, options.relay)
      yield* Console.log(
        options.json ? printableJson(jsonOf(measured)) : describeMeasured(measured).join("\n")
      )
      if (isBad(measured)) yield* Effect.fail(new Reported({ exitCode: ExitCode.unreachable }))
    }).pipe(Effect.provide(layerTrust(options)), reported)
).pipe(
  Command.withDescription(
    "Find out what is between this machine and others: whether UDP gets out, what kind of NAT there is, how large datagrams may be, IPv6, relays, and what that means. Nodes that answer address discovery, such as relays, are asked."
  ),
  Command.withShortDescription("Say what is between this machine and others"),
  Command.withExamples([
    {
      command: "effect-quic doctor --relay https://relay.example.org --bootstrap other.example.org",
      description: "Two nodes tell the kind of NAT"
    }
  ])
)
