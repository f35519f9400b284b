/** Runs an attack over real sockets: puppets speak through node:dgram, the honest client is the product's. */
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { type QuicConnection, QuicEndpoint, Trust } from "../../src/index.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import type { Puppet } from "../connection/Puppet.ts"
import type { Attack, Measured } from "./Attack.ts"
import { honestPackets, makeAttacker, makePuppet, roundsOf, sizeOf } from "./attackers.ts"
import type { Order, Usage } from "./liveVictim.ts"
import { layerWithoutTrust } from "../io.ts"

/** Sent at once; a socket's buffer must take them. */
const BURST = 40
const BURST_BYTES = 60_000
const BETWEEN_BURSTS_MILLIS = 4
const BETWEEN_ROUNDS_MILLIS = 15
const SETTLE_MILLIS = 80
const STRANGERS = 8

/** A client that has not heard anything from the attacker gives up within this time. */
const HANDSHAKE_MILLIS = 1_000

export class Victim {
  readonly worker: Worker
  port = 0

  constructor({ retry = "underLoad", trusts, isWatched = false }: Attack) {
    const workerData = { retry, trusts, isWatched }
    this.worker = new Worker(new URL("./liveVictim.ts", import.meta.url), { workerData })
  }

  async start(): Promise<this> {
    this.port = (await once(this.worker, "message"))[0]
    return this
  }

  tell(order: Order): void {
    this.worker.postMessage(order)
  }

  async usage(): Promise<Usage> {
    this.tell("usage")
    return (await once(this.worker, "message"))[0]
  }
}

const bound = async (host: string): Promise<Socket> => {
  const socket = createSocket("udp4")
  socket.bind(0, host)
  await once(socket, "listening")
  return socket
}

const addressOf = (socket: Socket): SocketAddress => {
  const { address, port } = socket.address()
  return { host: address, port, family: 4 }
}

/**
 * Lets a puppet answer until its handshake, as a client or as a server, has ended one way or the other. Returns how many
 * datagrams it has sent.
 */
const shakeHands = async (puppet: Puppet, socket: Socket, victim: Victim): Promise<number> => {
  let sent = 0
  const flush = () => {
    for (const datagram of puppet.outbox.splice(0))
      socket.send(datagram, victim.port, "127.0.0.1", () => sent++)
  }
  const listener = (datagram: Buffer) => {
    puppet.receive(datagram)
    flush()
  }
  socket.on("message", listener)
  if (puppet.options.role === "server") victim.tell({ connect: socket.address().port })
  else puppet.start()
  flush()
  const until = performance.now() + HANDSHAKE_MILLIS
  while (!puppet.complete && puppet.seen.close === undefined && performance.now() < until) await sleep(5)
  await sleep(20)
  socket.off("message", listener)
  return sent
}

const volley = async (
  victim: Victim,
  sockets: ReadonlyArray<Socket>,
  datagrams: ReadonlyArray<Uint8Array>
): Promise<void> => {
  let burst = 0
  let burstBytes = 0
  for (const [n, datagram] of datagrams.entries()) {
    sockets[n % sockets.length].send(datagram, victim.port, "127.0.0.1")
    burstBytes += datagram.length
    if (++burst < BURST && burstBytes < BURST_BYTES) continue
    await sleep(BETWEEN_BURSTS_MILLIS)
    burst = burstBytes = 0
  }
}

/** CPU time of the victim, and bytes it holds, for the packets sent by `act`. */
const during = async (
  victim: Victim,
  act: () => Promise<{ readonly packets: number; readonly bytesIn: number }>
) => {
  const before = await victim.usage()
  const { packets, bytesIn } = await act()
  await sleep(SETTLE_MILLIS)
  const after = await victim.usage()
  return {
    cpuMicrosPerPacket: (after.cpuMicros - before.afterMicros) / Math.max(1, packets),
    forgedLog: after.forgedLog,
    bytesHeld: Math.max(0, after.bytesInUse - before.bytesInUse),
    bytesIn
  }
}

const strike = (
  victim: Victim,
  sockets: ReadonlyArray<Socket>,
  rounds: Iterable<ReadonlyArray<Uint8Array>>
) =>
  during(victim, async () => {
    const sent: Array<Uint8Array> = []
    for (const datagrams of rounds) {
      if (sent.length > 0) await sleep(BETWEEN_ROUNDS_MILLIS)
      await volley(victim, sockets, datagrams)
      sent.push(...datagrams)
    }
    return { packets: sent.length, bytesIn: sizeOf(sent) }
  })

/** An answer to what is said on a new stream. */
const echoed = (connection: QuicConnection) =>
  Effect.gen(function* () {
    const stream = yield* connection.openBidi
    yield* stream.write(new TextEncoder().encode("still there?"))
    yield* stream.finish
    const chunks = yield* Stream.runCollect(stream.readable)
    const text = Array.from(chunks, (chunk) => new TextDecoder().decode(chunk)).join("")
    return text === "still there?" ? undefined : `an echo of ${JSON.stringify(text)}`
  })

// what the endpoints log about attackers would hide the table
const stack = Layer.merge(layerWithoutTrust, Trust.layerInsecureAcceptsAnyPeer).pipe(
  Layer.provideMerge(Logger.layer([]))
)

/** Runs `attack` while an honest client is connected; afterwards that one and a new one must be served. */
const besideHonest = (port: number, attack: Effect.Effect<Measured>) =>
  Effect.gen(function* () {
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const connect = client.connect({ host: "localhost", port, alpn: ["test"] })
    const old = yield* connect
    yield* echoed(old)
    const measured = yield* attack
    const served = Effect.gen(function* () {
      return (yield* echoed(old)) ?? (yield* echoed(yield* connect))
    })
    const unserved = yield* served.pipe(
      Effect.timeout(5_000),
      Effect.catch((error) => Effect.succeed(String(error)))
    )
    return { ...measured, unserved }
  }).pipe(Effect.scoped, Effect.provide(stack))

const measure = async (attack: Attack, victim: Victim, sockets: ReadonlyArray<Socket>): Promise<Measured> => {
  const random = new SeededRandom(attack.name)
  const [own, honestSocket, ...strangers] = sockets
  const honest = makePuppet(random.fork("honest"))
  await shakeHands(honest, honestSocket, victim)
  const honestly = () => strike(victim, [honestSocket], [honestPackets(honest, attack.packetBytes)])
  await honestly()
  const ordinary = await honestly()
  let bytesOut = 0
  let bytesAstray = 0
  const isSpoofed = attack.spoofed !== undefined
  for (const socket of strangers)
    socket.on("message", ({ length }) => {
      bytesOut += length
      if (!isSpoofed) bytesAstray += length
    })
  const attackerOf = (name: string) => makeAttacker(attack, random.fork(name), addressOf(strangers[0]))
  let attacker = attackerOf("attacker")
  await shakeHands(attacker, own, victim)
  let nth = 0
  const stranger = () => makePuppet(random.fork(`stranger ${nth++}`))
  own.on("message", (datagram) => attacker.receive(datagram))
  const { visits } = attack
  const struck =
    visits === undefined
      ? await strike(victim, isSpoofed ? strangers : [own], roundsOf(attack, stranger, attacker))
      : await during(victim, async () => {
          own.removeAllListeners("message")
          let packets = 0
          for (let i = 0; i < visits; i++) {
            attacker = attackerOf(`attacker ${i}`)
            packets += await shakeHands(attacker, own, victim)
          }
          return { packets, bytesIn: 0 }
        })
  return {
    ...struck,
    honestMicrosPerPacket: ordinary.cpuMicrosPerPacket,
    bytesOut,
    bytesAstray,
    closed: attacker.seen.close?.code,
    unserved: undefined
  }
}

/** Starts the victim of an attack, which takes a second: something else may be done meanwhile. */
export const startVictim = (attack: Attack): Promise<Victim> => new Victim(attack).start()

export const runLive = async (attack: Attack, victim: Victim): Promise<Measured> => {
  const hosts = ["127.0.0.2", "127.0.0.3", ...Array.from({ length: STRANGERS }, (_, n) => `127.0.1.${n + 1}`)]
  // a client finds the attacker where it is told to connect to
  if (attack.victim === "client") hosts[0] = "127.0.0.1"
  const sockets = await Promise.all(hosts.map(bound))
  try {
    const attacked = Effect.promise(() => measure(attack, victim, sockets))
    return await Effect.runPromise(besideHonest(victim.port, attacked))
  } finally {
    for (const socket of sockets) socket.close()
  }
}
