/**
 * Runs in a network namespace of its own, whose loopback interface is small or slow, and prints what became of datagrams.
 *
 * node test/ffi/link.ts sizes HOST LARGEST | full
 */
import * as Effect from "effect/Effect"
import type { UdpSocket } from "../../src/capability/UdpPort.ts"
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

const outcome = what === "full" ? Effect.map(full, JSON.stringify) : Effect.map(sizes, JSON.stringify)
console.log(await Effect.runPromise(Effect.scoped(outcome)))
