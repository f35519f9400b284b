/** Our client of relays at our relay, with TLS and without. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Layer from "effect/Layer"
import * as ScopeOf from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import {
  layerWithoutTrust,
  NodeCertificateVerifier,
  NodeIdentity,
  RelayServer
} from "../../layers/node/index.ts"
import * as NodeRelayPort from "../../layers/node/relay/NodeRelayPort.ts"
import { type RelayLink, RelayPort } from "../../src/capability/RelayPort.ts"
import { Identity, QuicEndpoint } from "../../src/index.ts"
import { testIdentity } from "./identities.ts"

const [alice, bob] = [1, 2].map(testIdentity)

interface Place {
  readonly relay: RelayServer.RelayServerShape
  readonly connect: (who: typeof alice) => Effect.Effect<RelayLink, unknown, Scope.Scope>
}

/** A relay, and links to it. */
const withRelay = (
  isSecure: boolean,
  options: RelayServer.RelayServerOptions,
  use: (place: Place) => Effect.Effect<void, unknown, Scope.Scope>
): Promise<void> =>
  Effect.gen(function* () {
    const identity = yield* NodeIdentity.developmentCertificate({ hosts: ["127.0.0.1"] })
    const relay = yield* RelayServer.make({
      host: "127.0.0.1",
      port: 0,
      ...(isSecure && { identity, discovery: { port: 0 } }),
      ...options
    })
    const port = yield* Effect.provide(
      RelayPort,
      NodeRelayPort.layerWith({ authorities: Identity.publicPem(identity) })
    )
    yield* use({ relay, connect: (who) => port.connect(relay.url, who) })
    if (relay.discovery === undefined) return
    // address discovery runs beside it, and is trusted as the relay is
    const discoveryPort = relay.discovery.localAddress.port
    const endpoint = yield* QuicEndpoint.make({
      host: "127.0.0.1",
      identity: yield* Identity.generateRawKey,
      relays: [{ url: relay.url, discoveryPort }]
    }).pipe(Effect.provide(Layer.succeed(RelayPort, port)))
    const asked = yield* endpoint.bootstraps.changes.pipe(
      Stream.filter(([node]) => node.observed !== undefined),
      Stream.runHead,
      Effect.timeout("10 seconds"),
      Effect.flatMap(Effect.fromOption)
    )
    expect(asked).toMatchObject([{ relay: relay.url, observed: endpoint.localAddress }])
  }).pipe(
    Effect.scoped,
    Effect.provide([layerWithoutTrust, NodeCertificateVerifier.layerPinnedCertificates([])]),
    Effect.runPromise
  )

/** The next datagram, and the next who is gone. */
const hear = (link: RelayLink) => {
  const datagram = Deferred.makeUnsafe<readonly [ReadonlyArray<number>, number, string]>()
  const gone = Deferred.makeUnsafe<ReadonlyArray<number>>()
  link.listen({
    onDatagram: (from, ecn, bytes) =>
      Deferred.doneUnsafe(datagram, Exit.succeed([[...from], ecn, Buffer.from(bytes).toString()] as const)),
    onGone: (key) => Deferred.doneUnsafe(gone, Exit.succeed([...key])),
    onWritable: () => {}
  })
  return { datagram: Deferred.await(datagram), gone: Deferred.await(gone) }
}

const say = (link: RelayLink, to: typeof alice, text: string): void => {
  const bytes = Buffer.from(text)
  link.send(to.publicKey, 2, bytes, 0, bytes.length)
}

describe.each([
  ["with TLS", true],
  ["without", false]
])("%s", (_, isSecure) => {
  it("datagrams go both ways, and who leaves is gone", () =>
    withRelay(isSecure, {}, ({ connect, relay }) =>
      Effect.gen(function* () {
        const scope = yield* ScopeOf.make()
        const first = yield* ScopeOf.provide(connect(alice), scope)
        const second = yield* connect(bob)
        const heard = { first: hear(first), second: hear(second) }
        say(first, bob, "hello")
        expect(yield* heard.second.datagram).toEqual([[...alice.publicKey], 2, "hello"])
        say(second, alice, "there")
        expect(yield* heard.first.datagram).toEqual([[...bob.publicKey], 2, "there"])
        yield* ScopeOf.close(scope, Exit.void)
        expect(yield* heard.second.gone).toEqual([...alice.publicKey])
        expect(yield* relay.statistics).toMatchObject({ authenticated: 2, forwarded: 2, forwardedBytes: 10 })
      })
    ))

  it("a link says why it has ended: replaced, or the relay restarts", () =>
    withRelay(isSecure, {}, ({ connect, relay }) =>
      Effect.gen(function* () {
        const first = yield* connect(alice)
        const second = yield* connect(alice)
        expect(yield* first.closed).toEqual({ _tag: "Replaced" })
        yield* relay.drain({ reconnectIn: 5, tryFor: 6, deadline: 5000 })
        expect(yield* second.closed).toEqual({ _tag: "Restarting", reconnectInMillis: 5, tryForMillis: 6 })
      })
    ))

  it("a key that is not on the list is denied", () =>
    withRelay(isSecure, { allow: [bob.publicKey] }, ({ connect }) =>
      Effect.gen(function* () {
        yield* connect(bob)
        expect(yield* Effect.flip(connect(alice))).toMatchObject({ reason: "Denied" })
      })
    ))
})
