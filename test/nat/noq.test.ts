/** NAT traversal with noq, which iroh's endpoints speak: npm @number0/iroh, on this host and without a relay. */
import { Endpoint, EndpointAddr, EndpointId, RelayMode } from "@number0/iroh"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import { attachTraversal } from "../../src/actor/attachTraversal.ts"
import type { ConnectionActor } from "../../src/actor/ConnectionActor.ts"
import * as Identity from "../../src/Identity.ts"
import { ProbeBudget } from "../../src/nat/ProbeBudget.ts"
import type { QuicConnection } from "../../src/QuicConnection.ts"
import { QuicEndpoint } from "../../src/QuicEndpoint.ts"
import * as Trust from "../../src/Trust.ts"
import { layerWithoutTrust } from "../io.ts"
import { Heard } from "./CandidateNet.ts"

const loopback = "127.0.0.1"
const alpn = "traversal"
const transport = { maxPaths: 4, maxRemoteCandidates: 8 }
/** The SubjectPublicKeyInfo of an Ed25519 key, up to the key. RFC 8410 §4 */
const SPKI = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]

const iroh = (): Promise<Endpoint> => {
  const builder = Endpoint.builder()
  builder.applyMinimal()
  builder.relayMode(RelayMode.disabled())
  builder.alpns([[...Buffer.from(alpn)]])
  builder.bindAddr("0.0.0.0:0")
  return builder.bind()
}

const actorOf = (connection: QuicConnection): ConnectionActor =>
  (connection as unknown as { readonly actor: ConnectionActor }).actor

const attach = (connection: QuicConnection) => {
  const actor = actorOf(connection)
  const heard = new Heard()
  return { actor, heard, port: attachTraversal(actor, heard, new ProbeBudget()) }
}

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))

const run = <A>(program: Effect.Effect<A, unknown, unknown>, trusted: Uint8Array): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(program).pipe(
      Effect.provide(Layer.merge(Layer.orDie(layerWithoutTrust), Trust.layerRawKeys([trusted])))
    ) as Effect.Effect<A>
  )

const spkiOf = (key: Uint8Array): Uint8Array => Uint8Array.from([...SPKI, ...key])

const nameOf = (key: Uint8Array): string =>
  `${(BigInt(`0x${Buffer.from(key).toString("hex")}`) << 4n).toString(32).padStart(52, "0")}.iroh.invalid`

describe("NAT traversal with noq", () => {
  it("as its client: hears of its candidates, probes them, names ours, and opens a path", {
    timeout: 60_000
  }, async () => {
    const server = await iroh()
    try {
      const accepted = (async () => {
        const incoming = await server.acceptNext()
        return (await incoming!.accept()).connect()
      })()
      const port = Number(server.boundSockets()[0].split(":").at(-1))
      const key = Uint8Array.from(server.id().toBytes())
      const program = Effect.gen(function* () {
        const endpoint = yield* QuicEndpoint.make({ host: "0.0.0.0" })
        const connection = yield* endpoint.connect({
          host: loopback,
          port,
          alpn: [alpn],
          serverName: nameOf(key),
          identity: yield* Identity.generateRawKey,
          transport
        })
        const { actor, heard, port: traversal } = attach(connection)
        expect(traversal.maxCandidates).toBeGreaterThan(0)
        yield* until(() => actor.core.traversal.candidates.length > 0)
        const [candidate] = actor.core.traversal.candidates
        const { socket } = actor.core.path.routes.current
        traversal.reachOut(1, [{ ...candidate, port: endpoint.localAddress.port }])
        traversal.probe(candidate, socket, actor.now())
        yield* until(() => heard.calls.some((call) => call.startsWith("answered")))
        // the server probes what it was told to
        yield* until(() => heard.calls.some((call) => call.startsWith("probed")))
        const path = actor.core.multipath.open(candidate, socket, actor.now())
        if (typeof path === "string") throw new Error(path)
        actor.touch()
        yield* until(() => path.status.isUsable)
        expect(connection.paths.map(({ id, remote }) => [id, remote.host])).toEqual([
          [0, loopback],
          [1, candidate.host]
        ])
        yield* connection.close()
      })
      await run(program, spkiOf(key))
      await accepted
    } finally {
      await server.close()
    }
  })

  it("as its server: names candidates, is told of some, and both sides' probes are answered", {
    timeout: 60_000
  }, async () => {
    const client = await iroh()
    try {
      const program = Effect.gen(function* () {
        const identity = yield* Identity.generateRawKey
        const endpoint = yield* QuicEndpoint.make({
          host: "0.0.0.0",
          server: { alpn: [alpn], identity, clientCertificate: "require", transport }
        })
        const { port } = endpoint.localAddress
        const id = EndpointId.fromBytes([...identity.spki.subarray(SPKI.length)])
        const connecting = client.connect(new EndpointAddr(id, undefined, [`${loopback}:${port}`]), [
          ...Buffer.from(alpn)
        ])
        const connection = yield* endpoint.accept
        yield* Effect.promise(() => connecting)
        const { actor, heard, port: traversal } = attach(connection)
        yield* until(() => heard.calls.some((call) => call.startsWith("reachOut")))
        const named = heard.calls.find((call) => /^reachOut \d+ [\d.]+:/.test(call))!
        const [host, clientPort] = named.split(" ")[2].split(":")
        traversal.advertise({ host, port, family: 4 })
        const { socket } = actor.core.path.routes.current
        traversal.probe({ host, port: Number(clientPort), family: 4 }, socket, actor.now())
        yield* until(() => heard.calls.some((call) => call.startsWith("answered")))
        yield* until(() => heard.calls.some((call) => call.startsWith("probed")))
        expect(actor.isOver).toBe(false)
      })
      await run(program, spkiOf(Uint8Array.from(client.id().toBytes())))
    } finally {
      await client.close()
    }
  })
})
