/** Links with a rate and a delay, for a demonstration on one machine: a `UdpPort` whose sockets are behind them. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type EcnCodepoint, type ReceivedDatagram, UdpPort, type UdpSocket } from "../capability/UdpPort.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { CliHost } from "./CliHost.ts"

/** How often datagrams that are due are handed on. */
const TICK_MILLIS = 1
/** IP and UDP, which take their share of the rate. */
const HEADER_BYTES = 28

interface LinkRates {
  /** In each direction. */
  readonly bitsPerSecond: number
  /** Without what waits in its queue, which holds as much as arrives in this time. */
  readonly roundTripMillis: number
}

/** A datagram under way: its owner may use its memory again. */
interface UnderWay extends ReceivedDatagram {
  readonly dueMillis: number
  readonly from: SocketAddress
}

/** One direction of a link: first in, first out. */
export class Lane {
  readonly queue: Array<UnderWay> = []
  private readonly rates: LinkRates
  /** When the last datagram has left the queue. */
  private freeMillis = 0

  constructor(rates: LinkRates) {
    this.rates = rates
  }

  /** Drops it, as a router does, when the queue is full. */
  add(datagram: ReceivedDatagram, nowMillis: number): void {
    const { bitsPerSecond, roundTripMillis } = this.rates
    const waitsMillis = Math.max(0, this.freeMillis - nowMillis)
    if (waitsMillis > roundTripMillis) return
    const takesMillis = ((datagram.bytes.length + HEADER_BYTES) * 8000) / bitsPerSecond
    this.freeMillis = nowMillis + waitsMillis + takesMillis
    const bytes = datagram.bytes.slice()
    const { from, to, ecn } = datagram
    this.queue.push({ bytes, from, to, ecn, dueMillis: this.freeMillis + roundTripMillis / 2 })
  }

  /** How many have arrived at the other end. */
  due(nowMillis: number): number {
    const { queue } = this
    let count = 0
    while (count < queue.length && queue[count].dueMillis <= nowMillis) count++
    return count
  }
}

/** A socket behind a link. */
interface Shaped {
  readonly shaped: UdpSocket
  /** Hands on what has arrived, at either end; to be called often. */
  readonly tick: () => void
  /** The socket is about to be closed: what it has sent is under way, and arrives. */
  readonly finish: () => void
}

/** A link, for the one socket that is bound to it. */
export class ShapedLink {
  readonly rates: LinkRates
  /** Nothing gets through. */
  isDown = false

  constructor(rates: LinkRates) {
    this.rates = rates
  }

  shape(socket: UdpSocket, now: () => number): Shaped {
    const outward = new Lane(this.rates)
    const inward = new Lane(this.rates)
    const buffer = new Uint8Array(65_535)
    let wake = () => {}
    const leave = (bytes: Uint8Array, to: SocketAddress, ecn: EcnCodepoint): void => {
      // only `to` matters: the socket is bound to one address
      if (!this.isDown) outward.add({ bytes, from: to, to, ecn }, now())
    }
    socket.onReadable(() => takeIn())
    const takeIn = (): void => {
      const take = (datagram: ReceivedDatagram) => {
        if (!this.isDown) inward.add(datagram, now())
      }
      while (socket.drain(256, take) > 0);
    }
    const shaped: UdpSocket = {
      localAddress: socket.localAddress,
      capabilities: socket.capabilities,
      get counters() {
        return socket.counters
      },
      congested: false,
      onReadable: (callback) => {
        wake = callback
      },
      onRefused: (listener) => socket.onRefused(listener),
      flush: () => {},
      send: (bytes, start, end, to, ecn) => leave(bytes.subarray(start, end), to, ecn),
      buffer,
      reserve: () => 0,
      commit: (end, to, ecn) => leave(buffer.subarray(0, end), to, ecn),
      drain: (max, handle) => {
        const ready = inward.queue.splice(0, Math.min(max, inward.due(now())))
        for (const datagram of ready) handle(datagram)
        return ready.length
      }
    }
    const sendOut = (count: number): void => {
      for (const { bytes, from, ecn } of outward.queue.splice(0, count))
        socket.send(bytes, 0, bytes.length, from, ecn)
      if (count > 0) socket.flush()
    }
    const tick = (): void => {
      sendOut(outward.due(now()))
      if (inward.due(now()) > 0) wake()
    }
    return { shaped, tick, finish: () => sendOut(outward.queue.length) }
  }
}

/** The first socket that is bound is behind the first of `links`, and so on; further ones are as they are. */
export const layerShaped = (links: ReadonlyArray<ShapedLink>) =>
  Layer.effect(
    UdpPort,
    Effect.gen(function* () {
      const udp = yield* UdpPort
      const { monotonicMillis } = yield* CliHost
      const left = [...links]
      return {
        ...udp,
        bind: (options) =>
          Effect.flatMap(udp.bind(options), (socket) => {
            const link = left.shift()
            if (link === undefined) return Effect.succeed(socket)
            const { shaped, tick, finish } = link.shape(socket, monotonicMillis)
            const ticking = Effect.forever(Effect.andThen(Effect.sync(tick), Effect.sleep(TICK_MILLIS)))
            return Effect.forkScoped(ticking).pipe(
              Effect.andThen(Effect.addFinalizer(() => Effect.sync(finish))),
              Effect.as(shaped)
            )
          })
      }
    })
  )
