/**
 * Runs in a network namespace of its own, whose loopback interface is small or slow, and prints what became of datagrams.
 *
 * node test/ffi/link.ts sizes HOST LARGEST | full | tooBig
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Message } from "../../layers/ffi/udp/Message.ts"
import { socketCalls } from "../../layers/ffi/udp/socketCalls.ts"
import type { UdpSocket } from "../../src/capability/UdpPort.ts"
import { native } from "./brokenNative.ts"
import { ffiPort } from "./port.ts"

const [what, host, largest] = process.argv.slice(2)

const arrivals = (socket: UdpSocket): Array<readonly [size: number, first: number, ecn: number]> => {
  const all: Array<readonly [number, number, number]> = []
  socket.onReadable(() =>
    socket.drain(Infinity, ({ bytes, ecn }) => void all.push([bytes.length, bytes[0], ecn]))
  )
  return all
}

const sendAll = (socket: UdpSocket, to: UdpSocket, size: number, count: number): void => {
  for (let i = 0; i < count; i++) socket.send(new Uint8Array(size).fill(i), 0, size, to.localAddress, 2)
  socket.flush()
}

/** Datagrams as large as the interface takes, and larger ones, alone and in trains. */
const sizes = Effect.gen(function* () {
  const [a, b] = [yield* ffiPort.bind({ host }), yield* ffiPort.bind({ host })]
  const arrived = arrivals(b)
  const size = Number(largest)
  for (const bytes of [size, size + 1]) for (const count of [1, 3]) sendAll(a, b, bytes, count)
  // the train that was refused has not ended trains
  sendAll(a, b, size, 2)
  while (arrived.length < 6) yield* Effect.sleep(5)
  const { sent, sendTooLarge, sendErrors, lastError } = a.counters
  return { arrived, sent, sendTooLarge, sendErrors, lastError }
})

/** More datagrams than the system takes at once. */
const full = Effect.gen(function* () {
  const host = "127.0.0.1"
  const [a, b] = [yield* ffiPort.bind({ host, sendBufferBytes: 4096 }), yield* ffiPort.bind({ host })]
  const arrived = arrivals(b)
  const wasCongested: Array<boolean> = []
  let wakes = 0
  a.onReadable(() => void wakes++)
  // sixteen trains wait: what is more is dropped
  for (let i = 0; i < 40; i++) {
    sendAll(a, b, 1000, 4)
    wasCongested.push(a.congested)
  }
  while (a.congested) yield* Effect.sleep(5)
  const { sent, sendDropped } = a.counters
  while (arrived.length < sent) yield* Effect.sleep(5)
  const inOrder = arrived.every(([, first], i) => first === i % 4)
  return { wasCongested: [wasCongested[0], wasCongested[39]], wakes, sent, sendDropped, inOrder }
})

/** An ICMP message, which says that a link carries at most `mtu` bytes, about a datagram from one socket to another. */
const forge = (from: UdpSocket, to: UdpSocket, quoted: Uint8Array, mtu: number): Uint8Array => {
  const message = new Uint8Array(8 + 20 + 8 + quoted.length)
  const view = new DataView(message.buffer)
  view.setUint16(0, 0x0304)
  view.setUint16(6, mtu)
  message.set([0x45, 0, 0, 28 + quoted.length, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1], 8)
  view.setUint16(28, from.localAddress.port)
  view.setUint16(30, to.localAddress.port)
  view.setUint16(32, 8 + quoted.length)
  message.set(quoted, 36)
  let sum = 0
  for (let i = 0; i < message.length; i += 2) sum += view.getUint16(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  view.setUint16(2, ~sum & 0xffff)
  return message
}

const sendRaw = (bytes: Uint8Array): void => {
  const { sendmsg, socket } = Result.getOrThrow(socketCalls(native))
  const message = new Message(native)
  const payload = native.pin(bytes.length)
  payload.bytes.set(bytes)
  message.setPayload(payload, 0)
  message.name.bytes.set([2, 0, 0, 0, 127, 0, 0, 1])
  message.nameBytes = 16
  const [inet, raw, icmp] = [2n, 3n, 1n]
  sendmsg(BigInt(socket(inet, raw, icmp)), message.pointer, 0n)
}

const tooBig = Effect.gen(function* () {
  const host = "127.0.0.1"
  const [a, b] = [yield* ffiPort.bind({ host }), yield* ffiPort.bind({ host })]
  const arrived = arrivals(b)
  let refused = 0
  a.onRefused(() => void refused++)
  a.onReadable(() => a.drain(Infinity, () => {}))
  const opening = new Uint8Array(100).fill(0xc1)
  a.send(opening, 0, 100, b.localAddress, 0)
  a.flush()
  sendRaw(forge(a, b, opening, 600))
  while (a.counters.socketErrors === 0) yield* Effect.sleep(5)
  for (const size of [1400, 9000]) sendAll(a, b, size, 1)
  while (arrived.length < 3) yield* Effect.sleep(5)
  const { lastError, sendTooLarge, socketErrors } = a.counters
  return { lastError, socketErrors, refused, sizes: arrived.map(([size]) => size), sendTooLarge }
})

const programs = {
  full: Effect.map(full, JSON.stringify),
  sizes: Effect.map(sizes, JSON.stringify),
  tooBig: Effect.map(tooBig, JSON.stringify)
}
console.log(await Effect.runPromise(Effect.scoped(programs[what as keyof typeof programs])))
