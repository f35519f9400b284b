/**
 * Feeds sockets of node:ffi with nonsense, and prints what they have counted: node test/ffi/fuzzPort.ts STEPS SEED
 *
 * Whatever it is told, the port must neither throw nor have native code look beyond its memory.
 */
import * as Effect from "effect/Effect"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { EcnCodepoint, UdpBindOptions, UdpSocket } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { ffiPort } from "./port.ts"

const [steps, seed] = process.argv.slice(2)
const random = new SeededRandom(seed)
const below = (bound: number): number => random.below(bound)
const oneOf = <A>(...all: ReadonlyArray<A>): A => all[below(all.length)]

const hosts = [
  "127.0.0.1",
  "::1",
  "::ffff:127.0.0.1",
  "0.0.0.0",
  "::",
  "255.255.255.255",
  "224.0.0.1",
  "ff02::1"
]
const odd = [
  "",
  "a",
  "1.2.3",
  "fe80::1",
  `fe80::1%${"x".repeat(300)}`,
  "fe80::1%\u0000",
  "fe80::1%4294967296",
  "fe80::%lo"
]
const length = (): number =>
  oneOf(
    0,
    1,
    8,
    1200,
    1452,
    below(70_000),
    65_506,
    65_507,
    65_508,
    65_527,
    65_528,
    65_535,
    65_536,
    -1,
    0.5,
    Number.NaN,
    2 ** 31,
    2 ** 32 + 1,
    Number.POSITIVE_INFINITY
  )
const place = (): number => (below(8) === 0 ? length() : below(2000))

const bound: Array<SocketAddress> = []
const address = (): SocketAddress => {
  // mostly somebody who is there
  if (below(8) > 0) return bound[below(3)]
  const host = oneOf(...hosts, ...odd)
  return { host, port: oneOf(0, 1, 443, 65_535, 65_536, -1, Number.NaN, 2 ** 40), family: oneOf(4, 6) }
}
const ecn = (): EcnCodepoint => (below(20) === 0 ? oneOf(255, -1) : below(4)) as EcnCodepoint
const bytes = new Uint8Array(70_000)

const options = (): UdpBindOptions => ({
  host: oneOf(...hosts.slice(0, 5), ...odd),
  port: below(4) === 0 ? length() : 0,
  receiveBufferBytes: length(),
  sendBufferBytes: length(),
  receiveQueueLength: below(20),
  multihomed: oneOf(true, false),
  ipv6Only: oneOf(true, false),
  reusePort: oneOf(true, false)
})

const poke = (socket: UdpSocket): void => {
  switch (below(7)) {
    case 0:
      return socket.send(
        bytes.subarray(0, below(2000)),
        place(),
        place(),
        address(),
        ecn(),
        below(8) === 0 ? address() : undefined
      )
    case 1:
    case 2: {
      const start = socket.reserve(length())
      return socket.commit(
        below(8) === 0 ? place() : start + place(),
        address(),
        ecn(),
        below(8) === 0 ? address() : undefined
      )
    }
    case 3:
      return socket.commit(place(), address(), ecn())
    case 4:
      return void socket.drain(oneOf(0, 1, 3, 1000, -1, Number.NaN), (datagram) => {
        datagram.bytes.fill(below(256))
      })
    case 5:
      return socket.onReadable(() => {})
    case 6:
      return socket.flush()
  }
}

const sockets: Array<UdpSocket> = []
const total = { bound: 0, refused: 0, sent: 0, received: 0 }

const life = Effect.gen(function* () {
  const socket = yield* ffiPort.bind(options())
  total.bound++
  sockets.push(socket)
  bound.push(socket.localAddress)
  for (let i = 0; i < 60; i++) {
    // sometimes one that is closed
    poke(below(8) === 0 ? oneOf(...sockets) : oneOf(socket, ...sockets.slice(0, 3)))
    if (below(10) === 0) yield* Effect.sleep(0)
  }
  total.sent += socket.counters.sent
  total.received += socket.counters.received
})

const program = Effect.gen(function* () {
  // somebody is there all the time
  for (const host of ["127.0.0.1", "::1", "0.0.0.0"]) {
    const socket = yield* ffiPort.bind({ host })
    sockets.push(socket)
    bound.push({ ...socket.localAddress, host: host === "0.0.0.0" ? "127.0.0.1" : host })
  }
  const residents = [...sockets]
  for (let i = 0; i < Number(steps); i++)
    yield* Effect.catch(Effect.scoped(life), () => Effect.sync(() => void total.refused++))
  for (const { counters } of residents) {
    total.sent += counters.sent
    total.received += counters.received
  }
})

await Effect.runPromise(Effect.scoped(program))
console.log(JSON.stringify(total))
