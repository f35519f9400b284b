import type * as dgram from "node:dgram"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { nodeEntropy } from "../../layers/node/NodeEntropy.ts"
import { nodeUdpPort } from "../../layers/node/NodeUdpPort.ts"
import { RemoteAddresses } from "../../layers/udp/RemoteAddresses.ts"
import { eventually, inbox } from "./udpPort.compliance.ts"

const live = <A, E>(title: string, program: () => Effect.Effect<A, E, Scope.Scope>): void =>
  it(title, async () => {
    await Effect.runPromise(Effect.scoped(Effect.suspend(program)))
  })

const loopback = { host: "127.0.0.1" } as const

describe("NodeUdpPort", () => {
  live("moves a burst of a thousand full-size datagrams over loopback without loss", () =>
    Effect.gen(function* () {
      const a = yield* nodeUdpPort.bind(loopback)
      const b = yield* nodeUdpPort.bind(loopback)
      const atB = inbox(b)
      const buffer = new Uint8Array(1452)
      for (let i = 0; i < 1000; i++) {
        new DataView(buffer.buffer).setUint32(0, i)
        a.send(buffer, 0, buffer.length, b.localAddress, 0)
      }
      a.flush()
      yield* eventually(() => atB.length === 1000)
      expect(atB.map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0))).toEqual(
        Array.from({ length: 1000 }, (_, i) => i)
      )
      expect(a.counters).toMatchObject({ sent: 1000, sendDropped: 0, sendErrors: 0, lastError: undefined })
      expect(b.counters.received).toBe(1000)
    })
  )

  live("holds the first datagrams of a burst until it ends, so that a first flight is sent as one", () =>
    Effect.gen(function* () {
      const a = yield* nodeUdpPort.bind(loopback)
      const b = yield* nodeUdpPort.bind(loopback)
      const atB = inbox(b)
      const send = (value: number) => a.send(new Uint8Array([value]), 0, 1, b.localAddress, 0)
      const aTurn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
      send(1)
      yield* aTurn
      send(2)
      yield* aTurn
      expect(a.counters.sent).toBe(0)
      a.flush()
      yield* eventually(() => atB.length === 2)
      // a long burst is not held
      for (let i = 3; i < 8; i++) send(i)
      yield* eventually(() => atB.length === 6)
      a.flush()
      yield* eventually(() => atB.length === 7)
      expect(atB.map(({ bytes }) => bytes[0])).toEqual([1, 2, 3, 4, 5, 6, 7])
    })
  )

  live("serves both families on the IPv6 wildcard, and reports an IPv4 remote by its IPv4 address", () =>
    Effect.gen(function* () {
      const both = yield* nodeUdpPort.bind({ host: "::" })
      const four = yield* nodeUdpPort.bind(loopback)
      const six = yield* nodeUdpPort.bind({ host: "::1" })
      const [atBoth, atFour, atSix] = [inbox(both), inbox(four), inbox(six)]
      const { port } = both.localAddress
      four.send(new Uint8Array([4]), 0, 1, { host: "127.0.0.1", port, family: 4 }, 0)
      six.send(new Uint8Array([6]), 0, 1, { host: "::1", port, family: 6 }, 0)
      four.flush()
      six.flush()
      yield* eventually(() => atBoth.length === 2)
      const remotes = atBoth.map(({ from }) => from)
      expect(remotes).toContainEqual(four.localAddress)
      expect(remotes).toContainEqual(six.localAddress)
      expect(atBoth[0].to).toBeUndefined()
      for (const remote of remotes) both.send(new Uint8Array(1), 0, 1, remote, 0)
      both.flush()
      yield* eventually(() => atFour.length === 1 && atSix.length === 1)
    })
  )

  live("leaves the IPv4 port to others when it is bound to IPv6 only", () =>
    Effect.gen(function* () {
      const six = yield* nodeUdpPort.bind({ host: "::", ipv6Only: true })
      const four = yield* nodeUdpPort.bind({ host: "0.0.0.0", port: six.localAddress.port })
      expect(four.localAddress.port).toBe(six.localAddress.port)
    })
  )

  live("rejects host names, invalid ports and ports in use, with a readable error", () =>
    Effect.gen(function* () {
      const refusal = (options: { host?: string; port?: number }) =>
        Effect.flip(Effect.scoped(nodeUdpPort.bind(options)))
      const name = yield* refusal({ host: "localhost", port: 443 })
      expect(name.reason).toBe("InvalidAddress")
      expect(name.message).toMatchInlineSnapshot(
        `"Cannot bind a UDP socket to localhost port 443: the host must be an IPv4 or IPv6 address literal and the port between 0 and 65535 (rejected before binding)"`
      )
      expect((yield* refusal({ port: 70_000 })).reason).toBe("InvalidAddress")
      expect((yield* refusal({ port: 1.5 })).reason).toBe("InvalidAddress")
      const taken = yield* nodeUdpPort.bind(loopback)
      const conflict = yield* refusal({ ...loopback, port: taken.localAddress.port })
      expect(conflict.message.replace(/\d{4,}/g, "PORT")).toMatchInlineSnapshot(
        `"Cannot bind a UDP socket to 127.0.0.1 port PORT: the port is in use; choose another one, or 0 for any free port (bind EADDRINUSE 127.0.0.1:PORT)"`
      )
    })
  )

  live("continues after ICMP port unreachable", () =>
    Effect.gen(function* () {
      const a = yield* nodeUdpPort.bind(loopback)
      const b = yield* nodeUdpPort.bind(loopback)
      const atB = inbox(b)
      const gone = yield* Effect.scoped(
        Effect.map(nodeUdpPort.bind(loopback), (socket) => socket.localAddress)
      )
      for (let i = 0; i < 3; i++) {
        a.send(new Uint8Array(1), 0, 1, gone, 0)
        yield* Effect.sleep(5)
      }
      a.send(new Uint8Array(1), 0, 1, b.localAddress, 0)
      yield* eventually(() => atB.length === 1)
    })
  )

  live("counts datagrams the system refuses for their size", () =>
    Effect.gen(function* () {
      // Fits the IPv6 socket but not the IPv4 packet it becomes.
      const a = yield* nodeUdpPort.bind({ host: "::" })
      a.send(new Uint8Array(65_520), 0, 65_520, { ...a.localAddress, host: "127.0.0.1", family: 4 }, 0)
      a.flush()
      yield* eventually(() => a.counters.sendTooLarge === 1)
      expect(a.counters.lastError).toContain("EMSGSIZE")
    })
  )

  live(
    "is congested while the system queues datagrams, keeps a bounded number, and wakes when they are sent",
    () =>
      Effect.gen(function* () {
        const a = yield* nodeUdpPort.bind(loopback)
        const b = yield* nodeUdpPort.bind(loopback)
        let wakes = 0
        a.onReadable(() => wakes++)
        const atB = inbox(b)
        const release = stall(a)
        const buffer = new Uint8Array(100)
        for (let i = 0; i < 1100; i++) {
          buffer.fill(i)
          a.send(buffer, 0, 100, b.localAddress, 0)
        }
        a.flush()
        expect(a.congested).toBe(true)
        expect(a.counters.sendDropped).toBe(1100 - 1024)
        release()
        yield* eventually(() => atB.length === 1024)
        yield* eventually(() => wakes === 1)
        expect(a.congested).toBe(false)
        expect(atB.every(({ bytes }, i) => bytes.every((byte) => byte === (i & 255)))).toBe(true)
      })
  )

  live("closes the socket of a fiber that is interrupted", () =>
    Effect.gen(function* () {
      let port = 0
      const fiber = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            port = (yield* nodeUdpPort.bind(loopback)).localAddress.port
            return yield* Effect.never
          })
        )
      )
      yield* eventually(() => port !== 0)
      yield* Fiber.interrupt(fiber)
      const again = yield* nodeUdpPort.bind({ ...loopback, port })
      expect(again.localAddress.port).toBe(port)
    })
  )

  live("leaks no socket when it is interrupted while binding", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(
        Effect.map(nodeUdpPort.bind(loopback), (socket) => socket.localAddress.port)
      )
      const fiber = yield* Effect.forkChild(Effect.scoped(nodeUdpPort.bind({ ...loopback, port })), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      const again = yield* nodeUdpPort.bind({ ...loopback, port })
      expect(again.localAddress.port).toBe(port)
    })
  )
})

/** Makes node:dgram queue what this socket sends, as when the kernel accepts nothing, until released. */
const stall = (socket: unknown): (() => void) => {
  const native = (socket as { readonly socket: dgram.Socket }).socket
  const held: Array<() => void> = []
  const send = native.send.bind(native) as (...args: Array<unknown>) => void
  const count = native.getSendQueueCount.bind(native)
  Object.assign(native, {
    send: (...args: Array<unknown>) => held.push(() => send(...args)),
    getSendQueueCount: () => held.length + count()
  })
  return () => {
    for (const resume of held.splice(0)) resume()
    Object.assign(native, { send, getSendQueueCount: count })
  }
}

describe("RemoteAddresses", () => {
  it("keeps an active remote through a flood of others, and forgets those", () => {
    const remotes = new RemoteAddresses()
    const friend = remotes.intern("192.0.2.1", 443)
    const stranger = remotes.intern("192.0.2.2", 1)
    for (let i = 0; i < 100_000; i++) {
      remotes.intern(`198.51.100.${i & 255}`, 1 + (i >> 3))
      if (i % 500 === 0) expect(remotes.intern("192.0.2.1", 443)).toBe(friend)
    }
    expect(remotes.intern("192.0.2.2", 1)).not.toBe(stranger)
    expect(remotes.intern("192.0.2.2", 1)).toEqual(stranger)
  })

  it("distinguishes ports and hosts", () => {
    const remotes = new RemoteAddresses()
    const addresses = [remotes.intern("::1", 1), remotes.intern("::1", 2), remotes.intern("::2", 1)]
    expect(new Set(addresses).size).toBe(3)
    expect(remotes.intern("::1", 1)).toBe(addresses[0])
  })
})

describe("NodeEntropy", () => {
  it("returns fresh bytes of any length, owned by the caller", () => {
    const seen = new Set<string>()
    for (let i = 0; i < 2000; i++) seen.add(Buffer.from(nodeEntropy.randomBytes(16)).toString("hex"))
    expect(seen.size).toBe(2000)
    expect(nodeEntropy.randomBytes(0).length).toBe(0)
    expect(nodeEntropy.randomBytes(10_000).some((byte) => byte !== 0)).toBe(true)
    const mine = nodeEntropy.randomBytes(8)
    expect(mine.buffer.byteLength).toBe(8)
  })
})
