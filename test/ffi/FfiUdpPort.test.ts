import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import { interfaceAddresses } from "../../layers/node/interfaces.ts"
import { nodeUdpPort } from "../../layers/node/NodeUdpPort.ts"
import type { UdpSocket } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { eventually, inbox } from "../udp/udpPort.compliance.ts"
import { ffiPort } from "./port.ts"

const live = <A, E>(title: string, program: () => Effect.Effect<A, E, Scope.Scope>): void =>
  it(title, async () => {
    await Effect.runPromise(Effect.scoped(Effect.suspend(program)))
  })

const loopback = { host: "127.0.0.1" } as const

const send = (
  socket: UdpSocket,
  bytes: ReadonlyArray<number>,
  to: SocketAddress,
  from?: SocketAddress
): void => {
  socket.send(Uint8Array.from(bytes), 0, bytes.length, to, 2, from)
  socket.flush()
}

/** A datagram that begins like one of a handshake. */
const longHeader = (id: number): ReadonlyArray<number> => [
  0xc0,
  0,
  0,
  0,
  1,
  8,
  ...Array.from({ length: 40 }, () => id)
]

const unusedAddress = Effect.scoped(Effect.map(ffiPort.bind(loopback), (socket) => socket.localAddress))

describe("a socket of node:ffi", () => {
  live("moves a burst of a thousand full-size datagrams over loopback without loss", () =>
    Effect.gen(function* () {
      const a = yield* ffiPort.bind(loopback)
      const b = yield* ffiPort.bind(loopback)
      const atB = inbox(b)
      for (let i = 0; i < 1000; i++) {
        const start = a.reserve(1452)
        new DataView(a.buffer.buffer).setUint32(start, i)
        a.commit(start + 1452, b.localAddress, 0)
      }
      a.flush()
      yield* eventually(() => atB.length === 1000)
      expect(atB.map(({ bytes }) => new DataView(bytes.buffer).getUint32(0))).toEqual(
        Array.from({ length: 1000 }, (_, i) => i)
      )
      expect(a.counters).toMatchObject({ sent: 1000, sendDropped: 0, sendErrors: 0, lastError: undefined })
    })
  )

  live(
    "serves both families on the IPv6 wildcard, marks included, and answers from the address it was asked at",
    () =>
      Effect.gen(function* () {
        const both = yield* ffiPort.bind({ host: "::", multihomed: true })
        const { port } = both.localAddress
        const atBoth = inbox(both)
        const asked = ["127.0.0.1", "127.0.0.2", "::1", ...interfaceAddresses()]
        for (const [i, host] of asked.entries()) {
          const family = host.includes(":") ? 6 : 4
          const client = yield* ffiPort.bind({ host: family === 6 ? "::" : "0.0.0.0", ipv6Only: true })
          const atClient = inbox(client)
          send(client, [i], { host, port, family })
          yield* eventually(() => atBoth.length === i + 1)
          const { from, to } = atBoth[i]
          expect(atBoth[i]).toMatchObject({ bytes: Uint8Array.of(i), to: { host, port, family }, ecn: 2 })
          expect(from.port).toBe(client.localAddress.port)
          send(both, [i], from, to)
          yield* eventually(() => atClient.length === 1)
          expect(atClient[0]).toMatchObject({ bytes: Uint8Array.of(i), from: { host, port, family }, ecn: 2 })
        }
        expect(both.counters).toMatchObject({ sent: asked.length, sendErrors: 0, socketErrors: 0 })
      })
  )

  live("does without the address to send from if it is gone", () =>
    Effect.gen(function* () {
      const everywhere = yield* ffiPort.bind({ host: "0.0.0.0", multihomed: true })
      const b = yield* ffiPort.bind(loopback)
      const atB = inbox(b)
      const gone = { host: "192.0.2.77", port: everywhere.localAddress.port, family: 4 } as const
      for (let i = 0; i < 3; i++) everywhere.send(Uint8Array.of(i), 0, 1, b.localAddress, 0, gone)
      everywhere.flush()
      yield* eventually(() => atB.length === 3)
      expect(atB.map(({ from }) => from.host)).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1"])
      // trains go on as such
      for (let i = 0; i < 3; i++) everywhere.send(Uint8Array.of(i), 0, 1, b.localAddress, 0)
      everywhere.flush()
      yield* eventually(() => atB.length === 6)
      expect(everywhere.counters).toMatchObject({ sent: 6, sendErrors: 0 })
    })
  )

  // RFC 9000 §14.2.1 #2 #S1 #S2 #S3
  live("tells who connects that the network has refused a datagram, if it quotes one that was sent", () =>
    Effect.gen(function* () {
      const a = yield* ffiPort.bind(loopback)
      const refused: Array<unknown> = []
      a.onRefused((to, problem, isLasting) => refused.push({ to, problem, isLasting }))
      inbox(a)
      const to = yield* unusedAddress
      send(a, longHeader(7), to)
      yield* eventually(() => refused.length === 1)
      const problem = "nobody listens there (the network reports ECONNREFUSED)"
      expect(refused).toEqual([{ to, problem, isLasting: true }])
      expect(a.counters).toMatchObject({
        sent: 1,
        sendErrors: 0,
        socketErrors: 1,
        lastError: `${problem}: ${to.host}:${to.port}`
      })
      // nobody has to guess what is in the datagrams of a connection to forge this
      send(a, [0x40, ...Array.from({ length: 100 }, () => 1)], to)
      yield* eventually(() => a.counters.socketErrors === 2)
      expect(refused.length).toBe(1)
    })
  )

  live("sends on after the network has refused datagrams, and drops none for it", () =>
    Effect.gen(function* () {
      for (const host of ["127.0.0.1", "::1", "::"]) {
        const a = yield* ffiPort.bind({ host })
        const b = yield* ffiPort.bind({ host: host === "::" ? "127.0.0.1" : host })
        const atB = inbox(b)
        const gone = { ...(yield* unusedAddress), host: b.localAddress.host, family: b.localAddress.family }
        for (let i = 0; i < 20; i++) {
          send(a, [i], gone)
          send(a, [i], b.localAddress)
        }
        yield* eventually(() => atB.length === 20)
        expect(a.counters).toMatchObject({ sent: 40, sendErrors: 0, sendDropped: 0 })
        expect(a.counters.socketErrors).toBeGreaterThan(0)
      }
    })
  )

  live("talks to sockets of node:dgram", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* ffiPort.bind(loopback), yield* nodeUdpPort.bind(loopback)]
      const [atA, atB] = [inbox(a), inbox(b)]
      for (let i = 0; i < 100; i++) a.send(new Uint8Array(1000).fill(i), 0, 1000, b.localAddress, 0)
      a.flush()
      yield* eventually(() => atB.length === 100)
      for (let i = 0; i < 100; i++) b.send(new Uint8Array(1000).fill(i), 0, 1000, a.localAddress, 0)
      b.flush()
      yield* eventually(() => atA.length === 100)
      for (const at of [atA, atB])
        expect(at.map(({ bytes }) => bytes)).toEqual(
          Array.from({ length: 100 }, (_, i) => new Uint8Array(1000).fill(i))
        )
    })
  )

  live("lets its owner read at once, unless it has just read many datagrams", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* ffiPort.bind(loopback), yield* ffiPort.bind(loopback)]
      const wakes: Array<boolean | undefined> = []
      b.onReadable((atOnce) => wakes.push(atOnce))
      for (const count of [1, 20, 1, 1]) {
        const before = wakes.length
        for (let i = 0; i < count; i++) a.send(new Uint8Array(100), 0, 100, b.localAddress, 0)
        a.flush()
        yield* eventually(() => wakes.length > before)
        expect(b.drain(100, () => {})).toBe(count)
        expect(b.drain(100, () => {})).toBe(0)
      }
      expect(wakes).toEqual([true, true, false, true])
    })
  )

  live("keeps the rest of a burst for the next drain, whatever it is asked for", () =>
    Effect.gen(function* () {
      const [a, b] = [
        yield* ffiPort.bind(loopback),
        yield* ffiPort.bind({ ...loopback, receiveQueueLength: 2 })
      ]
      let wakes = 0
      const seen: Array<number> = []
      const take = (max: number) => b.drain(max, ({ bytes }) => seen.push(bytes[0]))
      b.onReadable((atOnce) => {
        wakes++
        expect(atOnce).toBe(true)
        expect(take(1)).toBe(1)
        expect(take(7)).toBe(7)
      })
      for (let i = 0; i < 60; i++) a.send(new Uint8Array(100).fill(i), 0, 100, b.localAddress, 0)
      a.flush()
      while (wakes === 0) yield* Effect.yieldNow
      // another train, while the first is only begun
      for (let i = 60; i < 70; i++) a.send(new Uint8Array(100).fill(i), 0, 100, b.localAddress, 0)
      a.flush()
      while (seen.length < 70) if (take(3) === 0) yield* Effect.yieldNow
      expect(seen).toEqual(Array.from({ length: 70 }, (_, i) => i))
      expect(wakes).toBe(1)
    })
  )

  live("is closed while it is readable, by its owner or from within a datagram", () =>
    Effect.gen(function* () {
      const a = yield* ffiPort.bind(loopback)
      for (const within of [false, true]) {
        const scope = yield* Scope.make()
        const b = yield* Scope.provide(ffiPort.bind(loopback), scope)
        let taken = 0
        let wakes = 0
        const drain = () =>
          b.drain(Infinity, () => {
            taken++
            if (within) Effect.runSync(Scope.close(scope, Exit.void))
          })
        b.onReadable(() => void wakes++)
        for (let i = 0; i < 5; i++) a.send(Uint8Array.of(i), 0, 1, b.localAddress, 0)
        a.flush()
        yield* eventually(() => wakes === 1)
        if (!within) yield* Scope.close(scope, Exit.void)
        drain()
        expect(taken).toBe(within ? 1 : 0)
        send(a, [1], b.localAddress)
        yield* Effect.sleep(10)
        expect([drain(), wakes]).toEqual([0, 1])
      }
    })
  )

  live("is one of many, each of which hears only its own", () =>
    Effect.gen(function* () {
      const a = yield* ffiPort.bind(loopback)
      const sockets = yield* Effect.forEach(Array.from({ length: 500 }), () => ffiPort.bind(loopback))
      const boxes = sockets.map(inbox)
      for (const [i, { localAddress }] of sockets.entries())
        a.send(Uint8Array.of(i & 255, i >> 8), 0, 2, localAddress, 0)
      a.flush()
      yield* eventually(() => boxes.every(({ length }) => length === 1))
      for (const [i, [{ bytes }]] of boxes.entries()) expect(bytes).toEqual(Uint8Array.of(i & 255, i >> 8))
    })
  )

  live(
    "does not survive its thread: a worker may end in any way with sockets open, and their ports are free",
    () =>
      Effect.gen(function* () {
        const a = yield* ffiPort.bind(loopback)
        for (const end of ["terminated", "exits", "fails", "closes", "terminated"]) {
          const { ended, port, terminate } = yield* Effect.promise(() => workerWithSocket(end))
          const to = { host: "127.0.0.1", port, family: 4 } as const
          const flood = setInterval(() => {
            for (let i = 0; i < 50; i++) a.send(Uint8Array.of(i), 0, 1, to, 0)
            a.flush()
          }, 1)
          yield* Effect.sleep(20)
          if (end === "terminated") yield* Effect.promise(terminate)
          yield* Effect.promise(() => ended)
          clearInterval(flood)
          expect((yield* ffiPort.bind({ ...loopback, port })).localAddress.port).toBe(port)
        }
      })
  )
})

const workerWithSocket = async (end: string) => {
  const worker = new Worker(new URL("worker.ts", import.meta.url), { workerData: end })
  worker.on("error", () => {})
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()))
  const port = await new Promise<number>((resolve) => worker.once("message", resolve))
  return { ended, port, terminate: () => worker.terminate() }
}
