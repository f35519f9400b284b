/**
 * The options of NAT traversal: who takes part in it, where it learns this endpoint's addresses, and how much it may try.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MAX_BOOTSTRAPS } from "./actor/BootstrapSet.ts"
import { isBytes, isRecord } from "./arguments.ts"
import { durationOr, wholeMillis } from "./durationOption.ts"
import { Host } from "./hostOption.ts"
import { PUBLIC_KEY_BYTES } from "./internal/ed25519.ts"
import {
  type BootstrapNode,
  DISCOVERY_ALPN,
  DISCOVERY_PORT,
  type TraversalSettings
} from "./nat/TraversalSettings.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"

const int = (minimum: number, maximum: number, byDefault: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const Port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))

const NodeSchema = Schema.Struct({ host: Host, port: Schema.optionalKey(Port) })

const TraversalSchema = Schema.Struct({
  /**
   * What this endpoint does about NATs. Default `"server"` if it has a `server`, otherwise `"client"`.
   *
   * `"client"`: opens direct paths of connections it makes, for which it must learn its own addresses. `"server"`: does, and
   * also coordinates with the clients it accepts, which open the paths. `"bootstrap"`: tells others their addresses, and
   * needs a `server` that has `discoveryAlpn`; it accepts nothing else, and has no relay to fall back on: see
   * `AddressDiscovery`.
   */
  role: Schema.optionalKey(Schema.Literals(["client", "server", "bootstrap"])),
  /** Candidates of this side, and of the peer, per connection. 1 to 256, default 8. */
  maxCandidates: int(1, 256, 8),
  /** How long the coordination of one round may take. 100 millis to 5 minutes, default 10 seconds. */
  coordinationTimeout: durationOr(100, 300_000, "10 seconds"),
  /** Pairs of candidates tried at the same time. 1 to 16 and not more than `maxCandidates`, default 3, or `maxCandidates`. */
  maxConcurrentAttempts: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 16 }))),
  /**
   * Whether addresses of private networks (RFC 1918, RFC 4193, RFC 6598) that a peer names are probed. Default: if this host
   * has such an address itself.
   */
  allowPrivate: Schema.optionalKey(Schema.Boolean),
  /**
   * Whether the next port of a NAT that gives every destination another one is predicted from several observations. Default
   * true.
   */
  predictPorts: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  /** Application protocol of address discovery, 1 to 255 bytes. Default `"/iroh-qad/0"`, as of iroh's relays. RFC 7301 */
  discoveryAlpn: Schema.String.check(Schema.isBetweenLength(1, 255)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(DISCOVERY_ALPN))
  )
})

/**
 * A node that tells this endpoint its address: `host:port` as text, or the same as a record.
 *
 * **Details**
 *
 * As text, an IPv6 literal with a port is in brackets. The port is 1 to 65,535, default 7842, as of iroh's relays. With a
 * `publicKey`, the 32 bytes of an Ed25519 key, the node must hold it; otherwise the `CertificateVerifier` decides.
 *
 * @category options
 * @since 0.1.0
 */
export type BootstrapOption =
  | string
  | {
      /** Name or IP literal. */
      readonly host: string
      /** UDP port, default 7842. */
      readonly port?: number
      /** The Ed25519 key it must hold; default whatever the `CertificateVerifier` accepts. */
      readonly publicKey?: Uint8Array
    }

/**
 * How an endpoint finds direct paths through NATs.
 *
 * **Details**
 *
 * Every field is optional. A field that is wrong fails `QuicEndpoint.make` with `InvalidOption`, whose `field` is its path,
 * such as `traversal.bootstraps.1.port`. A client needs at least one bootstrap node, or the `identity` with which it uses
 * relays, its own or those of the peers it dials, as these answer address discovery too.
 *
 * @category options
 * @since 0.1.0
 */
export interface TraversalOptions extends Partial<typeof TraversalSchema.Type> {
  /**
   * Nodes that tell this endpoint its address besides its relays, at most 16; others can be added at run time: see
   * `Bootstraps`. Default none.
   */
  readonly bootstraps?: ReadonlyArray<BootstrapOption>
}

/** What other options say that matters to traversal. */
export interface BesideTraversal {
  /** Protocols of the server; undefined if the endpoint accepts no connections. */
  readonly serverAlpn: ReadonlyArray<string> | undefined
  readonly hasRelays: boolean
  /** Whether it can reach peers through relays, its own or theirs. */
  readonly usesRelays: boolean
  /** Where the relays answer address discovery. */
  readonly relayNodes: ReadonlyArray<BootstrapNode>
}

/** Checks the option `traversal` and fills in the defaults. */
export const traversalSettings = Effect.fnUntraced(function* (
  given: TraversalOptions,
  beside: BesideTraversal
): Effect.fn.Return<TraversalSettings, QuicError> {
  if (!isRecord(given)) return yield* invalidOption("traversal", "an object of options")
  const { bootstraps: nodes = [], ...rest } = given
  const checked = yield* check(TraversalSchema, rest, "traversal.")
  const { maxCandidates } = checked
  const maxConcurrentAttempts = checked.maxConcurrentAttempts ?? Math.min(3, maxCandidates)
  if (maxConcurrentAttempts > maxCandidates)
    return yield* invalidOption(
      "traversal.maxConcurrentAttempts",
      `at most maxCandidates, which is ${maxCandidates}, got ${maxConcurrentAttempts}`
    )
  const bootstraps = yield* bootstrapNodes(nodes)
  const role = checked.role ?? (beside.serverAlpn !== undefined ? "server" : "client")
  yield* checkRole({ role, bootstraps, discoveryAlpn: checked.discoveryAlpn }, beside)
  return {
    role,
    bootstraps: withRelays(bootstraps, beside.relayNodes),
    maxCandidates,
    coordinationTimeoutMillis: wholeMillis(checked.coordinationTimeout),
    maxConcurrentAttempts,
    allowPrivate: checked.allowPrivate,
    predictPorts: checked.predictPorts,
    discoveryAlpn: checked.discoveryAlpn
  }
})

/** A node that is one of the relays too is asked once. */
const withRelays = (
  nodes: ReadonlyArray<BootstrapNode>,
  relays: ReadonlyArray<BootstrapNode>
): ReadonlyArray<BootstrapNode> => [
  ...nodes.map((node) => ({ ...node, relay: relays.find((one) => sameNode(one, node))?.relay })),
  ...relays.filter((relay) => !nodes.some((node) => sameNode(relay, node)))
]

const checkRole = (
  { role, bootstraps, discoveryAlpn }: Pick<TraversalSettings, "role" | "bootstraps" | "discoveryAlpn">,
  { serverAlpn, hasRelays, usesRelays }: BesideTraversal
): Effect.Effect<void, QuicError> => {
  if (role !== "client" && serverAlpn === undefined)
    return invalidOption("server", `a ${role} accepts connections, so it needs the options of a server`)
  if (role === "bootstrap") {
    if (hasRelays) return invalidOption("relays", "a bootstrap node has no relay to fall back on")
    if (!serverAlpn?.includes(discoveryAlpn))
      return invalidOption("server.alpn", `a bootstrap node serves ${discoveryAlpn}`)
  }
  if (role === "client" && bootstraps.length === 0 && !usesRelays)
    return invalidOption(
      "traversal.bootstraps",
      "a client needs at least one bootstrap node, or an identity, with which it uses relays"
    )
  return Effect.void
}

const bootstrapNodes = Effect.fnUntraced(function* (given: unknown) {
  const field = "traversal.bootstraps"
  if (!Array.isArray(given)) return yield* invalidOption(field, "a list of bootstrap nodes")
  if (given.length > MAX_BOOTSTRAPS)
    return yield* invalidOption(field, `at most ${MAX_BOOTSTRAPS} nodes, got ${given.length}`)
  const nodes: Array<BootstrapNode> = []
  for (const [i, each] of given.entries()) {
    const node = yield* bootstrapNode(each, `${field}.${i}`)
    if (nodes.some((other) => sameNode(other, node)))
      return yield* invalidOption(`${field}.${i}`, "each node once")
    nodes.push(node)
  }
  return nodes
})

/** One in another notation is another one. */
export const sameNode = (a: BootstrapNode, b: BootstrapNode): boolean =>
  a.host === b.host && a.port === b.port

/** Checks one node; `field` is its path in the options. */
export const bootstrapNode = Effect.fnUntraced(function* (
  given: unknown,
  field: string
): Effect.fn.Return<BootstrapNode, QuicError> {
  const record: unknown = typeof given === "string" ? splitHost(given) : given
  if (!isRecord(record))
    return yield* invalidOption(field, "host:port, with an IPv6 address in brackets, or a record of both")
  const { publicKey, ...place } = record
  const { host, port = DISCOVERY_PORT } = yield* check(NodeSchema, place, `${field}.`)
  if (publicKey !== undefined && !(isBytes(publicKey) && publicKey.length === PUBLIC_KEY_BYTES))
    return yield* invalidOption(`${field}.publicKey`, "the 32 bytes of an Ed25519 public key")
  return { host, port, publicKey: publicKey?.slice(), relay: undefined }
})

/** Splits `host`, `host:port`, `[v6]`, `[v6]:port` and a bare `v6`; undefined for anything else. */
const splitHost = (text: string): { readonly host: string; readonly port?: number } | undefined => {
  const bare = text.split(":").length > 2 && !text.startsWith("[")
  if (bare) return { host: text }
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined) return undefined
  return port === undefined ? { host } : { host, port: Number(port) }
}
