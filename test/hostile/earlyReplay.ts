/**
 * 0-RTT replay: somebody on the path records the first flight of a client that sends an order as 0-RTT data, and sends
 * it again from other addresses. The order must be carried out once. It takes a client of the product, which has a
 * session to resume; so it is one program, run over sockets and, for the core, over the simulated network.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { NodeIdentity } from "../../layers/node/index.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { SimRuntime } from "../../layers/sim/index.ts"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import { type QuicConnection, QuicEndpoint, type QuicEndpointShape, Trust } from "../../src/index.ts"
import { layerBetween } from "../udp/interposed.ts"
import type { Row } from "./Attack.ts"
import { bytesInUse, cpuMicros } from "./attackers.ts"
import { LiveCryptoSuite, layerWithoutTrust } from "../io.ts"

export const EARLY_REPLAY = "0-RTT replay"
const COPIES = 200
const ADDRESSES = 8
/** All in one heap: server, client and attacker. */
const MAX_BYTES_HELD = 5_000_000
/** The attacker's own sending is in it, and each flight is a handshake that the server begins. */
const MAX_MICROS = 5_000

/** A `UdpPort` whose sockets record what they send while `tape` is on. */
class Tape {
  readonly datagrams: Array<Uint8Array> = []
  isOn = false

  readonly layer = layerBetween((socket) => ({
    send: (buffer, start, end, ...to) => {
      if (this.isOn) this.datagrams.push(buffer.slice(start, end))
      socket.send(buffer, start, end, ...to)
    }
  }))
}

const order = (connection: QuicConnection) =>
  Effect.gen(function* () {
    const stream = yield* connection.openBidi
    yield* stream.write(new TextEncoder().encode("pay 100"))
    yield* stream.finish
    while ((yield* stream.read()) !== undefined);
  }).pipe(Effect.scoped)

/** A server that counts what it has paid. */
const bank = Effect.fnUntraced(function* (host: string) {
  const identity = yield* NodeIdentity.developmentCertificate()
  const server = yield* QuicEndpoint.make({ host, server: { alpn: ["pay"], identity, earlyData: true } })
  const paid = { times: 0 }
  yield* Effect.forkScoped(
    server.serveStreams((stream) =>
      Effect.gen(function* () {
        while ((yield* stream.read()) !== undefined);
        paid.times++
        yield* stream.write(new Uint8Array(1))
        yield* stream.finish
      })
    )
  )
  return { server, paid }
})

const connectTo = (client: QuicEndpointShape, server: QuicEndpointShape, earlyData: boolean) =>
  client.connect({
    host: server.localAddress.host,
    port: server.localAddress.port,
    serverName: "localhost",
    alpn: ["pay"],
    earlyData
  })

const attack = Effect.fnUntraced(function* (
  { server, paid }: Effect.Success<ReturnType<typeof bank>>,
  host: string
) {
  const tape = new Tape()
  const client = yield* Effect.provide(QuicEndpoint.make({ host }), tape.layer)
  const visit = (earlyData: boolean) =>
    Effect.gen(function* () {
      const connection = yield* connectTo(client, server, earlyData)
      yield* order(connection)
      tape.isOn = false
      yield* Effect.sleep(50) // the next ticket arrives
      return connection.facts.earlyData
    }).pipe(Effect.scoped)
  yield* visit(false)
  tape.isOn = true
  const fate = yield* visit(true)
  if (fate !== "accepted") return yield* Effect.die(`the order was no 0-RTT data: ${fate}`)
  const before = { paid: paid.times, bytes: bytesInUse(), cpu: cpuMicros() }
  const port = yield* UdpPort
  const sockets = yield* Effect.forEach(Array.from({ length: ADDRESSES }), () => port.bind({ host }))
  let sent = 0
  for (let copy = 0; copy < COPIES; copy++) {
    const socket = sockets[copy % ADDRESSES]
    for (const bytes of tape.datagrams) {
      socket.send(bytes, 0, bytes.length, server.localAddress, 0)
      sent++
    }
    socket.flush()
    yield* Effect.sleep(5)
  }
  yield* Effect.sleep(200)
  const micros = cpuMicros() - before.cpu
  const again = paid.times - before.paid
  // the handshakes that the copies have begun time out
  yield* Effect.sleep(8_000)
  const bytesHeld = Math.max(0, bytesInUse() - before.bytes)
  const isServed = yield* Effect.isSuccess(Effect.timeout(visit(true), 5_000))
  return { again, sent, bytesHeld, cpuMicrosPerPacket: Math.round((10 * micros) / sent) / 10, isServed }
})

type Outcome = Effect.Success<ReturnType<typeof attack>>

const quiet = Trust.layerInsecureAcceptsAnyPeer.pipe(Layer.provideMerge(Logger.layer([])))

const live = Effect.gen(function* () {
  return yield* attack(yield* bank("127.0.0.1"), "127.0.0.1")
}).pipe(Effect.scoped, Effect.provide(Layer.merge(layerWithoutTrust, quiet)))

const simulated = Effect.gen(function* () {
  const network = yield* SimNetwork
  const [client, server] = [network.host("client", "10.0.0.1"), network.host("server", "10.0.0.2")]
  network.connect(client, server, { delayMillis: 5 })
  const stackOf = (host: typeof client) => Layer.mergeAll(host.layer, LiveCryptoSuite.layer, quiet)
  const victim = yield* Effect.provide(bank("10.0.0.2"), stackOf(server))
  return yield* Effect.provide(attack(victim, "10.0.0.1"), stackOf(client))
}).pipe(Effect.scoped)

const rowOf = (where: Row["where"], outcome: Outcome): Row => {
  const { again, bytesHeld, cpuMicrosPerPacket, isServed } = outcome
  const reasons = [
    again > 0 && `an order was carried out ${again} more times`,
    bytesHeld > MAX_BYTES_HELD && `it holds more than ${MAX_BYTES_HELD} bytes`,
    cpuMicrosPerPacket > MAX_MICROS && `a packet costs more than ${MAX_MICROS} µs`,
    !isServed && "the client was not served any more"
  ].filter((reason) => reason !== false)
  return {
    attack: EARLY_REPLAY,
    reference: "RFC 9001 §9.2",
    where,
    result: reasons.length === 0 ? "pass" : "fail",
    bytesHeld,
    cpuMicrosPerPacket,
    reason: reasons.join("; ")
  }
}

/** Both rows of the attack. */
export async function* earlyReplay(): AsyncGenerator<Row> {
  const { exit } = await SimRuntime.run(EARLY_REPLAY, simulated)
  yield rowOf("core", await Effect.runPromise(exit))
  yield rowOf("live", await Effect.runPromise(live))
}
