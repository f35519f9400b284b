/** Binds the sockets of an endpoint and starts its loop; closes both with the scope. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { AddressResolver } from "effect/net/AddressResolver"
import { AddressMemory } from "./actor/AddressMemory.ts"
import { closeEndpoint } from "./actor/closeEndpoint.ts"
import { EndpointActor } from "./actor/EndpointActor.ts"
import { SocketKeeper } from "./actor/SocketKeeper.ts"
import { handshakeRecorder } from "./actor/spans.ts"
import { checkRecord, secretBytes } from "./arguments.ts"
import { Admission } from "./capability/Admission.ts"
import { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import { CryptoSuite, type CryptoSuiteShape } from "./capability/CryptoSuite.ts"
import { Entropy } from "./capability/Entropy.ts"
import { KeyLog } from "./capability/KeyLog.ts"
import { NetworkInterfaces } from "./capability/NetworkInterfaces.ts"
import { PathScheduling } from "./capability/PathScheduling.ts"
import { Shard } from "./capability/Shard.ts"
import { Qlog, type QlogShape } from "./capability/Qlog.ts"
import { TicketStore } from "./capability/TicketStore.ts"
import { UdpPort } from "./capability/UdpPort.ts"
import { checkedOnce } from "./checkedOnce.ts"
import { EndpointLimits, limitSettings } from "./EndpointLimits.ts"
import {
  BindSchema,
  ConnectSchema,
  connectSettings,
  type EndpointOptions,
  type ServerOptions
} from "./EndpointOptions.ts"
import type { EndpointConfig } from "./endpoint/EndpointConfig.ts"
import { QlogTrace } from "./qlog/QlogTrace.ts"
import { check, checkTransport } from "./QuicOptions.ts"
import { linkRelays, type OwnAddress, ownAddress, serverOf } from "./relaySettings.ts"
import * as Resumption from "./Resumption.ts"
import { serverSettings, type SettingsContext } from "./serverSettings.ts"
import { type TraversalOptions, traversalSettings } from "./TraversalOptions.ts"
import { forTraversal } from "./traversalTransport.ts"

export const startEndpoint = Effect.fnUntraced(function* (options: EndpointOptions) {
  yield* checkRecord(options, "options")
  if (options.server !== undefined) yield* checkRecord(options.server, "server")
  const { server: serverOptions, limits: limitOptions = {}, resetSecret, traversal, ...others } = options
  const { identity, relays, ...bindOptions } = others
  const bind = yield* check(BindSchema, bindOptions)
  const limits = limitSettings(yield* check(EndpointLimits, limitOptions, "limits."))
  const udp = yield* UdpPort
  const qlog = yield* Qlog
  const clock = yield* Clock.Clock
  const nowMillis = (): number => clock.currentTimeMillisUnsafe()
  const context = yield* settingsContext(nowMillis)
  const { suite, randomBytes } = context
  const own = yield* ownAddress({ identity, relays }, suite)
  const { server, traverses } = yield* serving(serverOptions, traversal, own, context)
  const shard = yield* Shard
  const resetKey =
    resetSecret === undefined
      ? shard && derived(shard.secret, "stateless reset", suite)
      : derived(yield* secretBytes(resetSecret, "resetSecret"), "stateless reset", suite)
  // created before the loop, so that it is closed after it
  const sockets = yield* Scope.fork(yield* Effect.scope)
  const keeper = new SocketKeeper(udp, sockets, server !== undefined)
  const socket = yield* keeper.openMain(bind)
  const preferred = yield* keeper.openPreferred(server?.preferredAddress ?? {})
  const config: EndpointConfig = {
    suite,
    random: randomBytes,
    connectionIdBytes: bind.connectionIdBytes ?? 8,
    shard,
    resetKey,
    limits,
    admits: yield* Admission,
    scheduler: yield* PathScheduling,
    ecn: socket.capabilities.ecn,
    ...(qlog !== undefined && { observe: observerOf(qlog, nowMillis) }),
    server: server && {
      ...server,
      preferred: preferred.addresses,
      tokenSecret: shard && derived(shard.secret, "address tokens", suite)
    }
  }
  const surroundings = {
    socket,
    clock,
    verifier: yield* CertificateVerifier,
    keyLog: yield* KeyLog,
    recordHandshake: handshakeRecorder(yield* Effect.tracer, clock),
    runFork: Effect.runForkWith(yield* Effect.context<never>()),
    openSocket: (actor: EndpointActor, ...where: Parameters<EndpointActor["openSocket"]>) =>
      keeper.lend(actor, ...where),
    close: (actor: EndpointActor) =>
      Effect.andThen(closeEndpoint(actor, Exit.interrupt()), Scope.close(sockets, Exit.void)),
    roaming:
      bind.autoMigrate === false
        ? undefined
        : {
            interfaces: Option.getOrUndefined(yield* Effect.serviceOption(NetworkInterfaces)),
            openRefuge: (actor: EndpointActor, isForNew: boolean) => keeper.openRefuge(actor, isForNew)
          }
  }
  const actor = yield* Effect.acquireRelease(
    Effect.sync(() => new EndpointActor(config, surroundings)),
    (actor, exit) => Effect.andThen(closeEndpoint(actor, exit), actor.drain.whenDone)
  )
  for (const each of preferred.sockets) actor.addSocket(each)
  const store = Option.getOrElse(yield* Effect.serviceOption(TicketStore), Resumption.defaults.store)
  const resolver = yield* Effect.serviceOption(AddressResolver)
  const dialing = {
    endpoint: actor,
    store,
    resolver,
    zoneName: udp.zoneName,
    nowMillis,
    addresses: new AddressMemory()
  }
  return { actor, keeper, context, dialing, traverses, own, links: linkRelays(actor, own, randomBytes) }
})

/** What the endpoint accepts, and what it does about NATs. */
const serving = Effect.fnUntraced(function* (
  options: ServerOptions | undefined,
  traversal: TraversalOptions | false | undefined,
  own: OwnAddress | undefined,
  context: SettingsContext
) {
  const offered = options && (yield* serverSettings(serverOf(options, own), context))
  const hasRelays = own !== undefined && own.relays.length > 0
  const usesRelays = own?.port !== undefined
  const beside = { serverAlpn: offered?.tls.alpn, hasRelays, usesRelays, relayNodes: own?.discovery ?? [] }
  const wanted = traversal ?? (usesRelays ? {} : false)
  const traverses = wanted === false ? undefined : yield* traversalSettings(wanted, beside)
  return { traverses, server: offered && forTraversal(offered, traverses, options?.transport) }
})

const settingsContext = Effect.fnUntraced(function* (nowMillis: () => number) {
  const { certificateTypes } = yield* CertificateVerifier
  const context: SettingsContext = {
    suite: yield* CryptoSuite,
    randomBytes: (yield* Entropy).randomBytes,
    nowMillis,
    checkTransport: checkedOnce(checkTransport),
    checkConnect: checkedOnce((options) => Effect.map(check(ConnectSchema, options), connectSettings)),
    shared: { peerCertificateTypes: certificateTypes, keyLog: (yield* KeyLog) !== undefined }
  }
  return context
})

const observerOf =
  (qlog: QlogShape, nowMillis: () => number): NonNullable<EndpointConfig["observe"]> =>
  (role, id, nowMicros) =>
    new QlogTrace(role, id, nowMicros, nowMillis(), qlog)

const derived = (secret: Uint8Array, label: string, suite: CryptoSuiteShape): Uint8Array =>
  suite.hmac("sha256", secret, new TextEncoder().encode(label))
