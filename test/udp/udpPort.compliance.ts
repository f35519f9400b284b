/** The compliance suite of `UdpPort`; every implementation runs all of it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { type EcnCodepoint, UdpPort, type UdpSocket } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

type Program<A> = Effect.Effect<A, unknown, UdpPort | Scope.Scope>

/** How to run a program with the port under test, which can bind `host`. */
export interface PortUnderTest {
  readonly name: string
  readonly host: string
  /** Another address of the same host. */
  readonly otherHost: string
  readonly run: <A>(program: Program<A>) => Promise<A>
}

export interface Received {
  readonly bytes: Uint8Array
  readonly ecn: EcnCodepoint
  readonly from: SocketAddress
  readonly to: SocketAddress | undefined
}

/** Records everything that arrives at the socket from now on. */
export const inbox = (socket: UdpSocket): Array<Received> => {
  const all: Array<Received> = []
  socket.onReadable(() => {
    socket.drain(Infinity, ({ bytes, from, to, ecn }) => {
      // a Buffer's `slice` would be a view, and no use to the core
      expect(bytes.constructor).toBe(Uint8Array)
      all.push({ bytes: bytes.slice(), from, to, ecn })
    })
  })
  return all
}

/** Waits up to two seconds for a condition. */
export const eventually = (condition: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let i = 0; i < 2000 && !condition(); i++) yield* Effect.sleep(1)
    expect(condition()).toBe(true)
  })

export const udpPortCompliance = ({ name, host, otherHost, run }: PortUnderTest): void => {
  const bind = (receiveQueueLength?: number): Program<UdpSocket> =>
    Effect.flatMap(UdpPort, (port) => port.bind({ host, port: 0, receiveQueueLength }))
  const test = (title: string, program: () => Program<void>): void => it(title, () => run(program()))

  describe(`a socket of ${name}`, () => {
    test("reports its bound address", () =>
      Effect.gen(function* () {
        const { localAddress } = yield* bind()
        expect(localAddress.host).toBe(host)
        expect(localAddress.port).toBeGreaterThan(0)
        expect(localAddress.family).toBe(host.includes(":") ? 6 : 4)
      }))

    test("delivers a datagram and an answer", () =>
      Effect.gen(function* () {
        const a = yield* bind()
        const b = yield* bind()
        const [atA, atB] = [inbox(a), inbox(b)]
        a.send(new Uint8Array([0, 1, 2, 3, 0]), 1, 4, b.localAddress, 0)
        a.flush()
        yield* eventually(() => atB.length === 1)
        expect(atB[0]).toEqual({
          bytes: new Uint8Array([1, 2, 3]),
          from: a.localAddress,
          to: b.localAddress,
          ecn: 0
        })
        b.send(new Uint8Array([4]), 0, 1, atB[0].from, 0)
        b.flush()
        yield* eventually(() => atA.length === 1)
        expect(atA[0].bytes).toEqual(new Uint8Array([4]))
      }))

    test("that is bound to all addresses answers from the one it received on", () =>
      Effect.gen(function* () {
        const { bind } = yield* UdpPort
        const everywhere = yield* bind({ host: "0.0.0.0", multihomed: true })
        const { port } = everywhere.localAddress
        const atEverywhere = inbox(everywhere)
        for (const [i, asked] of [host, host, otherHost, otherHost, host, otherHost].entries()) {
          const client = yield* bind({ host })
          const atClient = inbox(client)
          client.send(new Uint8Array([i]), 0, 1, { host: asked, port, family: 4 }, 0)
          client.flush()
          yield* eventually(() => atEverywhere.length === i + 1)
          const { from, to } = atEverywhere[i]
          expect(to).toEqual({ host: asked, port, family: 4 })
          if (i % 2 === 0) everywhere.send(new Uint8Array([i]), 0, 1, from, 0, to)
          else {
            const start = everywhere.reserve(1)
            everywhere.buffer[start] = i
            everywhere.commit(start + 1, from, 0, to)
          }
          everywhere.flush()
          yield* eventually(() => atClient.length === 1)
          expect(atClient[0]).toMatchObject({
            bytes: new Uint8Array([i]),
            from: { host: asked, port, family: 4 }
          })
        }
        expect(everywhere.counters).toMatchObject({ received: 6, sent: 6, sendErrors: 0 })
      }))

    test("that is bound to all addresses owns its port until it is closed", () =>
      Effect.gen(function* () {
        const udp = yield* UdpPort
        const taken = (where: { host: string; port: number; multihomed?: boolean }) =>
          Effect.map(Effect.flip(Effect.scoped(udp.bind(where))), ({ reason }) => reason)
        const { port } = yield* Effect.scoped(
          Effect.gen(function* () {
            const { localAddress } = yield* udp.bind({ host: "0.0.0.0", multihomed: true })
            const { port } = localAddress
            expect(yield* taken({ host: "0.0.0.0", port, multihomed: true })).toBe("AddressInUse")
            expect(yield* taken({ host, port })).toBe("AddressInUse")
            return localAddress
          })
        )
        for (const at of [host, otherHost]) yield* Effect.scoped(udp.bind({ host: at, port }))
      }))

    test("reports send errors with their destination", () =>
      Effect.gen(function* () {
        const a = yield* bind()
        const refused: Array<unknown> = []
        a.onRefused((to, problem, isLasting) => refused.push({ to, problem, isLasting }))
        const to = { host: "2001:db8::1", port: 443, family: 6 } as const
        a.send(new Uint8Array(1), 0, 1, to, 0)
        yield* eventually(() => refused.length === 1)
        expect(refused).toEqual([{ to, problem: a.counters.lastError, isLasting: true }])
      }))

    test("copies the bytes before send returns", () =>
      Effect.gen(function* () {
        const a = yield* bind()
        const b = yield* bind()
        const atB = inbox(b)
        const buffer = new Uint8Array(1200)
        for (let i = 0; i < 100; i++) {
          buffer.fill(i)
          a.send(buffer, 0, 1200, b.localAddress, 0)
        }
        buffer.fill(255)
        a.flush()
        yield* eventually(() => atB.length === 100)
        for (let i = 0; i < 100; i++) {
          expect(atB[i].bytes).toEqual(new Uint8Array(1200).fill(i))
        }
      }))

    test("sends what is written into its own memory, in order with what is sent from the caller's", () =>
      Effect.gen(function* () {
        const [a, b, c] = [yield* bind(), yield* bind(), yield* bind()]
        const [atB, atC] = [inbox(b), inbox(c)]
        const loose = new Uint8Array(1200)
        const sizes = [1200, 1200, 700, 1200, 1, 0, 1200, 1200]
        const expected: Array<Array<Uint8Array>> = [[], []]
        for (let i = 0; i < 200; i++) {
          const [size, toC] = [sizes[i % sizes.length], i % 7 === 6]
          const { localAddress } = toC ? c : b
          expected[toC ? 1 : 0].push(new Uint8Array(size).fill(i))
          if (i % 5 === 4) a.send(loose.fill(i), 0, size, localAddress, 0)
          else {
            const start = a.reserve(1200)
            expect(a.buffer.length - start).toBeGreaterThanOrEqual(1200)
            a.buffer.fill(i, start, start + 1200)
            a.commit(start + size, localAddress, 0)
          }
          // kept neither by a flush nor without one
          if (i % 50 === 20) a.flush()
          yield* i % 40 === 39 ? Effect.sleep(1) : Effect.void
        }
        a.flush()
        yield* eventually(() => atB.length + atC.length === 200)
        expect([atB, atC].map((all) => all.map(({ bytes }) => bytes))).toEqual(expected)
        expect(a.counters).toMatchObject({ sent: 200, sendErrors: 0, sendDropped: 0 })
      }))

    test("carries ECN marks if it says so, each with its datagram", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        const atB = inbox(b)
        const marks = ([0, 1, 2, 3] as const).flatMap((mark) => [mark, mark, 0, mark] as const)
        for (const [i, mark] of marks.entries()) a.send(new Uint8Array([i]), 0, 1, b.localAddress, mark)
        a.flush()
        yield* eventually(() => atB.length === marks.length)
        expect(atB.map(({ bytes }) => bytes[0])).toEqual(marks.map((_, i) => i))
        expect(atB.map(({ ecn }) => ecn)).toEqual(a.capabilities.ecn ? marks : marks.map(() => 0))
      }))

    test("delivers long bursts of one size, of falling and of rising sizes, whole and in order", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        const atB = inbox(b)
        const bursts = [
          Array.from({ length: 200 }, () => 1200),
          Array.from({ length: 300 }, () => 1),
          Array.from({ length: 100 }, (_, i) => 1300 - i),
          Array.from({ length: 100 }, (_, i) => 1300 + i),
          [65_000, 65_000, 40_000, 30_000, 30_000, 5_000, 0, 0, 5_000]
        ]
        for (const burst of bursts) {
          atB.length = 0
          for (const [i, size] of burst.entries()) {
            const start = a.reserve(65_000)
            a.buffer.fill(i, start, start + size)
            a.commit(start + size, b.localAddress, 0)
          }
          a.flush()
          yield* eventually(() => atB.length === burst.length)
          for (const [i, { bytes }] of atB.entries()) expect(bytes).toEqual(new Uint8Array(burst[i]).fill(i))
        }
      }))

    test("takes room back that nothing was written into", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        const atB = inbox(b)
        for (let i = 0; i < 100; i++) {
          const start = a.reserve(60_000)
          a.buffer.fill(255, start, start + 60_000)
        }
        const start = a.reserve(2)
        a.buffer.set([1, 2], start)
        a.commit(start + 2, b.localAddress, 0)
        a.reserve(60_000)
        a.flush()
        yield* eventually(() => atB.length === 1)
        expect(atB[0].bytes).toEqual(new Uint8Array([1, 2]))
        expect(a.counters.sent).toBe(1)
      }))

    test("counts a datagram written into it that is too large or has no destination, and continues", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        const atB = inbox(b)
        const commit = (length: number, to: SocketAddress): void => {
          const start = a.reserve(length)
          a.commit(start + length, to, 0)
        }
        commit(65_527, b.localAddress)
        commit(10, { host: "2001:db8::1", port: 443, family: 6 })
        commit(2, b.localAddress)
        a.flush()
        yield* eventually(() => atB.length === 1)
        expect(atB[0].bytes.length).toBe(2)
        yield* eventually(() => a.counters.sendTooLarge === 1 && a.counters.sendErrors === 1)
      }))

    test("reports the same remote as the same object", () =>
      Effect.gen(function* () {
        const [a, b, c] = [yield* bind(), yield* bind(), yield* bind()]
        const atC = inbox(c)
        for (const sender of [a, b, a, b]) {
          sender.send(new Uint8Array(1), 0, 1, c.localAddress, 0)
          sender.flush()
          yield* eventually(() => atC.length > 0)
        }
        yield* eventually(() => atC.length === 4)
        expect(new Set(atC.map(({ from }) => from)).size).toBe(2)
      }))

    test("carries empty datagrams", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        const atB = inbox(b)
        a.send(new Uint8Array(0), 0, 0, b.localAddress, 0)
        a.flush()
        yield* eventually(() => atB.length === 1)
        expect(atB[0].bytes.length).toBe(0)
      }))

    test("wakes its reader once, and again only after the queue was drained", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        let wakes = 0
        b.onReadable(() => wakes++)
        const send = (count: number) => {
          for (let i = 0; i < count; i++) a.send(new Uint8Array([i]), 0, 1, b.localAddress, 0)
          a.flush()
        }
        const seen: Array<number> = []
        send(5)
        yield* eventually(() => b.counters.received === 5)
        expect(wakes).toBe(1)
        expect(b.drain(3, ({ bytes }) => seen.push(bytes[0]))).toBe(3)
        send(1)
        yield* eventually(() => b.counters.received === 6)
        expect(wakes).toBe(1)
        expect(b.drain(100, ({ bytes }) => seen.push(bytes[0]))).toBe(3)
        expect(seen).toEqual([0, 1, 2, 3, 4, 0])
        send(1)
        yield* eventually(() => wakes === 2)
      }))

    test("wakes a reader that registers late", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        a.send(new Uint8Array(1), 0, 1, b.localAddress, 0)
        a.flush()
        yield* eventually(() => b.counters.received === 1)
        expect(inbox(b).length).toBe(1)
      }))

    test("drops and counts what its queue cannot hold", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind(10)]
        for (let i = 0; i < 25; i++) a.send(new Uint8Array([i]), 0, 1, b.localAddress, 0)
        a.flush()
        yield* eventually(() => b.counters.received + b.counters.receiveDropped === 25)
        expect(b.counters.receiveDropped).toBe(15)
        expect(inbox(b).map(({ bytes }) => bytes[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      }))

    test("counts a datagram that is too large, and continues", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        const atB = inbox(b)
        a.send(new Uint8Array(70_000), 0, 70_000, b.localAddress, 0)
        a.send(new Uint8Array(2), 0, 2, b.localAddress, 0)
        a.flush()
        yield* eventually(() => atB.length === 1)
        expect(a.counters.sendTooLarge).toBe(1)
        yield* eventually(() => a.counters.sent === 1)
      }))

    test("survives invalid destinations", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* bind(), yield* bind()]
        const atB = inbox(b)
        for (const to of [
          { host, port: 0, family: 4 },
          { host: "2001:db8::1", port: 443, family: 6 },
          { host: "no address at all", port: 443, family: 4 }
        ] as const) {
          a.send(new Uint8Array(1), 0, 1, to, 0)
        }
        a.send(new Uint8Array(2), 0, 2, b.localAddress, 0)
        a.flush()
        yield* eventually(() => atB.length === 1)
        yield* eventually(() => a.counters.sendErrors === 3)
        expect(a.counters.lastError).toBeTypeOf("string")
      }))

    test("is closed with its scope: it wakes no reader, sends nothing, and frees its port", () =>
      Effect.gen(function* () {
        const a = yield* bind()
        let wakes = 0
        const closed = yield* Effect.scoped(
          Effect.map(bind(), (socket) => {
            socket.onReadable(() => wakes++)
            return socket
          })
        )
        closed.send(new Uint8Array(1), 0, 1, a.localAddress, 0)
        closed.commit(closed.reserve(1200) + 1, a.localAddress, 0)
        closed.flush()
        expect(closed.counters.sendDropped).toBe(2)
        expect(closed.congested).toBe(false)
        const { host, port } = closed.localAddress
        const again = yield* (yield* UdpPort).bind({ host, port })
        const atAgain = inbox(again)
        a.send(new Uint8Array(1), 0, 1, again.localAddress, 0)
        a.flush()
        yield* eventually(() => atAgain.length === 1)
        expect(wakes).toBe(0)
      }))

    test("rejects a port in use and a foreign address, with a readable error", () =>
      Effect.gen(function* () {
        const { localAddress } = yield* bind()
        const port = yield* UdpPort
        const taken = yield* Effect.flip(Effect.scoped(port.bind({ host, port: localAddress.port })))
        expect(taken.reason).toBe("AddressInUse")
        expect(taken.message).toContain(String(localAddress.port))
        const foreign = yield* Effect.flip(Effect.scoped(port.bind({ host: "192.0.2.77" })))
        expect(foreign.reason).toBe("AddressNotAvailable")
        expect(foreign.message).toContain("192.0.2.77")
      }))
  })
}
