/** Runs an attack over real sockets: puppets speak through node:dgram, the honest client is the product's. */
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { layerWithoutTrust } from "../../layers/node/index.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { type QuicConnection, QuicEndpoint, Trust } from "../../src/index.ts"
import type { Puppet } from "../connection/Puppet.ts"
import type { Attack, Measured } from "./Attack.ts"
import { honestPackets, makeClient, sizeOf } from "./attackers.ts"
import type { Usage } from "./liveServer.ts"

/** Sent at once; a socket's buffer must take it. */
const BURST = 40
const BETWEEN_BURSTS_MILLIS = 4
const SETTLE_MILLIS = 80
const STRANGERS = 8

class Victim {
  readonly worker = new Worker(new URL("./liveServer.ts", import.meta.url))
  port = 0

  async start(): Promise<this> {
    this.port = (await once(this.worker, "message"))[0]
    return this
  }

  async usage(): Promise<Usage> {
    this.worker.postMessage("usage")
    return (await once(this.worker, "message"))[0]
  }
}

const bound = async (host: string): Promise<Socket> => {
  const socket = createSocket("udp4")
  socket.bind(0, host)
  await once(socket, "listening")
  return socket
}

/** Lets a puppet answer until its handshake has ended one way or the other. */
const shakeHands = async (puppet: Puppet, socket: Socket, port: number): Promise<void> => {
  const flush = () => {
    for (const datagram of puppet.outbox.splice(0)) socket.send(datagram, port, "127.0.0.1")
  }
  const listener = (datagram: Buffer) => {
    puppet.receive(datagram)
    flush()
  }
  socket.on("message", listener)
  puppet.start()
  flush()
  for (let i = 0; i < 100 && !puppet.complete && puppet.seen.close === undefined; i++) await sleep(10)
  await sleep(20)
  socket.off("message", listener)
}

/** CPU time of the victim and bytes it holds for each of the datagrams. */
const strike = async (
  victim: Victim,
  sockets: ReadonlyArray<Socket>,
  datagrams: ReadonlyArray<Uint8Array>
) => {
  const before = await victim.usage()
  for (const [n, datagram] of datagrams.entries()) {
    sockets[n % sockets.length].send(datagram, victim.port, "127.0.0.1")
    if (n % BURST === BURST - 1) await sleep(BETWEEN_BURSTS_MILLIS)
  }
  await sleep(SETTLE_MILLIS)
  const after = await victim.usage()
  return {
    micros: (after.cpuMicros - before.afterMicros) / Math.max(1, datagrams.length),
    forgedLog: after.forgedLog,
    held: Math.max(0, after.bytesInUse - before.bytesInUse)
  }
}

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
  const honest = makeClient(random.fork("honest"))
  await shakeHands(honest, honestSocket, victim.port)
  await strike(victim, [honestSocket], honestPackets(honest))
  const { micros: honestMicrosPerPacket } = await strike(victim, [honestSocket], honestPackets(honest))
  const attacker = makeClient(random.fork("attacker"), attack.puppet)
  if (attack.spoofed === undefined) await shakeHands(attacker, own, victim.port)
  let nth = 0
  const datagrams =
    attack.spoofed?.(() => makeClient(random.fork(`stranger ${nth++}`))) ?? attack.packets?.(attacker) ?? []
  let bytesOut = 0
  for (const socket of [own, ...strangers])
    socket.on("message", (datagram) => {
      bytesOut += datagram.length
      if (socket === own) attacker.receive(datagram)
    })
  const { micros, held, forgedLog } = await strike(
    victim,
    attack.spoofed === undefined ? [own] : strangers,
    datagrams
  )
  return {
    bytesHeld: held,
    cpuMicrosPerPacket: micros,
    honestMicrosPerPacket,
    bytesIn: sizeOf(datagrams),
    bytesOut,
    closed: attacker.seen.close?.code,
    forgedLog,
    unserved: undefined
  }
}

export const runLive = async (attack: Attack): Promise<Measured> => {
  const victim = await new Victim().start()
  const hosts = ["127.0.0.2", "127.0.0.3", ...Array.from({ length: STRANGERS }, (_, n) => `127.0.1.${n + 1}`)]
  const sockets = await Promise.all(hosts.map(bound))
  try {
    const attacked = Effect.promise(() => measure(attack, victim, sockets))
    return await Effect.runPromise(besideHonest(victim.port, attacked))
  } finally {
    for (const socket of sockets) socket.close()
    await victim.worker.terminate()
  }
}
