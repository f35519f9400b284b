/** Sends datagrams and records arrivals, for tests of the simulated network. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ReceivedDatagram, UdpSocket } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

export interface Arrival {
  readonly atMillis: number
  readonly bytes: Uint8Array
  readonly from: ReceivedDatagram["from"]
  readonly to: ReceivedDatagram["to"]
  readonly ecn: number
}

/** Records everything that arrives at the socket from now on, with its virtual time. */
export const arrivals = Effect.fnUntraced(function* (socket: UdpSocket) {
  const clock = yield* Clock.Clock
  const all: Array<Arrival> = []
  socket.onReadable(() => {
    socket.drain(Infinity, ({ bytes, from, to, ecn }) => {
      all.push({ atMillis: Number(clock.monotonicTimeNanosUnsafe()) / 1e6, bytes, from, to, ecn })
    })
  })
  return all
})

export const addressOf = (host: string, port: number): SocketAddress => ({
  host,
  port,
  family: host.includes(":") ? 6 : 4
})

/** Sends one datagram of `length` bytes. */
export const send = (socket: UdpSocket, to: SocketAddress, length = 10): void => {
  socket.send(new Uint8Array(length), 0, length, to, 0)
  socket.flush()
}
