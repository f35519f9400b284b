/**
 * The flood's source, in a process of its own: sends datagrams of one kind at a bounded rate, from hundreds of loopback
 * addresses, to the port it is told. `{ kind, port, perSecond, millis }` over IPC; answers with how many it has sent.
 */
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { Puppet } from "../connection/Puppet.ts"
import { writeCryptoHeader } from "../../src/wire/frameWriters.ts"
import { makePuppet } from "../hostile/attackers.ts"

export const floodKinds = [
  "Initial without a token",
  "Initial with a bad token",
  "short header of nobody",
  "garbage"
] as const
export type FloodKind = (typeof floodKinds)[number]

export interface FloodOrder {
  readonly kind: FloodKind
  readonly port: number
  readonly perSecond: number
  readonly millis: number
}

/** Different datagrams of a kind; each is sent from many addresses. */
const POOL = 1024
const SOURCES = 256
/** A datagram of a stranger that costs the victim most is a full one. */
const DATAGRAM_BYTES = 1200
const TOKEN_BYTES = 80

const random = new SeededRandom("flood")

const withBadToken = (client: Puppet): Uint8Array =>
  client.packet(
    Level.Initial,
    (w) => {
      writeCryptoHeader(w, 0, 8)
      w.copy(Uint8Array.of(1, 0, 0x20, 0, 3, 3, 0, 0))
    },
    { size: DATAGRAM_BYTES, token: random.bytes(TOKEN_BYTES) }
  )

const junk = (firstByte: number | undefined): Uint8Array => {
  const bytes = random.bytes(DATAGRAM_BYTES)
  if (firstByte !== undefined) bytes[0] = firstByte
  return bytes
}

const make = (kind: FloodKind, n: number): Uint8Array => {
  if (kind === "garbage") return junk(undefined)
  if (kind === "short header of nobody") return junk(0x40)
  const client = makePuppet(random.fork(`${kind} ${n}`))
  client.start()
  return kind === "Initial without a token" ? client.outbox[0] : withBadToken(client)
}

const pools = new Map<FloodKind, ReadonlyArray<Uint8Array>>()
const poolOf = (kind: FloodKind): ReadonlyArray<Uint8Array> => {
  let pool = pools.get(kind)
  if (pool === undefined) {
    pool = Array.from({ length: POOL }, (_, n) => make(kind, n))
    pools.set(kind, pool)
  }
  return pool
}

const open = async (n: number): Promise<Socket> => {
  const socket = createSocket("udp4")
  socket.on("error", () => {}) // a victim's port that is closed
  socket.bind(0, `127.1.${n >> 4}.${1 + (n & 15)}`)
  await once(socket, "listening")
  return socket
}
let sockets: ReadonlyArray<Socket> | undefined

/** Keeps to the rate, or to what the machine can do; never makes up for more than 20 ms it was held up. */
const flood = async ({ kind, port, perSecond, millis }: FloodOrder): Promise<number> => {
  sockets ??= await Promise.all(Array.from({ length: SOURCES }, (_, n) => open(n)))
  const from = sockets
  const pool = poolOf(kind)
  const startedAt = performance.now()
  let sent = 0
  let owed = 0
  let last = startedAt
  for (let now = startedAt; now - startedAt < millis; now = performance.now()) {
    owed = Math.min(owed + ((now - last) * perSecond) / 1000, perSecond / 50)
    last = now
    for (; owed >= 1; owed--) {
      // shifts by one with each round of the pool: a datagram comes from another address each time
      const source = (sent + Math.floor(sent / POOL)) % SOURCES
      from[source].send(pool[sent % POOL], port, "127.0.0.1")
      sent++
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return sent
}

process.on("disconnect", () => process.exit(0))
process.on("message", (order: FloodOrder) => {
  // making the pool is not part of the flood
  poolOf(order.kind)
  flood(order).then(
    (sent) => process.send!({ sent }),
    (error: unknown) => process.send!({ error: String(error) })
  )
})
