/** A socket for all addresses of a host whose addresses change. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { interfaceAddresses } from "../../layers/node/interfaces.ts"
import * as NodeUdpPort from "../../layers/node/NodeUdpPort.ts"
import type { UdpSocket } from "../../src/capability/UdpPort.ts"
import { eventually, inbox } from "./udpPort.compliance.ts"

const live = <E>(title: string, program: () => Effect.Effect<void, E, Scope.Scope>): void =>
  it(title, () => Effect.runPromise(Effect.scoped(Effect.suspend(program))))

const everywhere = Effect.fnUntraced(function* (list: Array<string>) {
  let ahead = 0n
  const real = yield* Clock.Clock
  const clock: Clock.Clock = Object.assign(Object.create(real), {
    monotonicTimeNanosUnsafe: () => real.monotonicTimeNanosUnsafe() + ahead
  })
  const port = NodeUdpPort.make(() => list)
  const socket = yield* Effect.provideService(
    port.bind({ host: "0.0.0.0", multihomed: true }),
    Clock.Clock,
    clock
  )
  /** After a new address is bound, datagrams to other addresses are dropped for a while: skips that. */
  const settle = () => void (ahead += 1_000_000_000n)
  return { settle, socket }
})

const ask = (client: UdpSocket, host: string, port: number, value = 0): void => {
  client.send(new Uint8Array([value]), 0, 1, { host, port, family: 4 }, 0)
  client.flush()
}

describe("a socket for all addresses", () => {
  live("discovers an address when something is sent there, and relies on the sender to retry", () =>
    Effect.gen(function* () {
      const list = ["127.0.0.1"]
      const { settle, socket } = yield* everywhere(list)
      const { port } = socket.localAddress
      const client = yield* NodeUdpPort.nodeUdpPort.bind({ host: "127.0.0.1" })
      const arrived = inbox(socket)
      settle()
      // an unlisted address of the host: the arrival is noticed, but not at which address
      ask(client, "127.0.0.3", port)
      yield* eventually(() => arrived.length === 1)
      expect(arrived[0].to).toBeUndefined()
      list.push("127.0.0.3")
      settle()
      ask(client, "127.0.0.3", port)
      yield* eventually(() => socket.counters.receiveDropped === 1)
      for (let i = 0; arrived.length === 1; i++) {
        ask(client, "127.0.0.3", port)
        yield* Effect.sleep(5)
        expect(i).toBeLessThan(200)
      }
      expect(arrived[1].to).toEqual({ host: "127.0.0.3", port, family: 4 })
    })
  )

  live("continues without an address that is gone, and lets the system choose the source instead", () =>
    Effect.gen(function* () {
      const list = ["127.0.0.1", "127.0.0.3"]
      const { settle, socket } = yield* everywhere(list)
      const { port } = socket.localAddress
      const client = yield* NodeUdpPort.nodeUdpPort.bind({ host: "127.0.0.1" })
      const [arrived, answers] = [inbox(socket), inbox(client)]
      ask(client, "127.0.0.3", port)
      yield* eventually(() => arrived.length === 1)
      const { from, to } = arrived[0]
      list.pop()
      list.push("127.0.0.4") // triggers a refresh
      settle()
      ask(client, "127.0.0.4", port)
      yield* eventually(() => socket.counters.receiveDropped === 1)
      for (let i = 0; answers.at(-1)?.from.host !== "127.0.0.1"; i++) {
        socket.send(new Uint8Array(1), 0, 1, from, 0, to)
        socket.flush()
        yield* Effect.sleep(5)
        expect(i).toBeLessThan(200)
      }
      expect(socket.counters.received).toBe(1)
      expect(socket.counters.sendErrors).toBe(0)
    })
  )

  live("skips an address that it cannot bind", () =>
    Effect.gen(function* () {
      const { settle, socket } = yield* everywhere(["203.0.113.99", "127.0.0.1"])
      const client = yield* NodeUdpPort.nodeUdpPort.bind({ host: "127.0.0.1" })
      const arrived = inbox(socket)
      settle()
      for (const host of ["127.0.0.1", "127.0.0.2"]) ask(client, host, socket.localAddress.port)
      yield* eventually(() => arrived.length === 2)
    })
  )

  live("delivers what arrived on all of them, and wakes again when more arrives", () =>
    Effect.gen(function* () {
      const hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"]
      const { settle, socket } = yield* everywhere(hosts.slice(0, 3))
      const client = yield* NodeUdpPort.nodeUdpPort.bind({ host: "127.0.0.1" })
      settle()
      let wakes = 0
      socket.onReadable(() => wakes++)
      const seen: Array<number> = []
      const drain = (max: number) => socket.drain(max, ({ bytes }) => seen.push(bytes[0]))
      for (let round = 0; round < 50; round++) {
        const before = wakes
        for (const [i, host] of hosts.entries()) ask(client, host, socket.localAddress.port, 4 * round + i)
        yield* eventually(() => socket.counters.received === 4 * (round + 1))
        expect(wakes).toBe(before + 1)
        let taken = 0
        while (taken < 4) taken += drain(1 + (round % 3))
        expect(drain(10)).toBe(0)
      }
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i))
    })
  )

  const more = interfaceAddresses().filter((host) => !host.startsWith("127.") && host !== "::1")
  const each = more.filter((host) => !host.includes("%"))
  it.skipIf(each.length === 0)("of either family answers from each of the host's own addresses", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const socket = yield* NodeUdpPort.make().bind({ host: "::", multihomed: true })
          const { port } = socket.localAddress
          const arrived = inbox(socket)
          for (const [i, host] of each.entries()) {
            const family = host.includes(":") ? 6 : 4
            const client = yield* NodeUdpPort.nodeUdpPort.bind({ host: family === 4 ? "127.0.0.1" : "::1" })
            const answers = inbox(client)
            client.send(new Uint8Array(1), 0, 1, { host, port, family }, 0)
            client.flush()
            yield* eventually(() => arrived.length === i + 1)
            socket.send(new Uint8Array(1), 0, 1, arrived[i].from, 0, arrived[i].to)
            socket.flush()
            yield* eventually(() => answers.length === 1)
            expect(answers[0].from).toEqual({ host, port, family })
          }
        })
      )
    )
  )
})
