import * as dgram from "node:dgram"
import { once } from "node:events"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { UdpSocket } from "../../src/capability/UdpPort.ts"
import { ffiPort } from "./port.ts"

const COUNT = 4

const bound = (port: number, order: ReadonlyArray<number>) =>
  ffiPort.bind({
    host: "127.0.0.1",
    port,
    reusePort: true,
    shard: { index: order[order.length - 1], count: COUNT, order }
  })

/** Sends short and long headers to every ID's first byte, each from a socket of its own; which socket has which. */
const arrivals = (sockets: ReadonlyMap<number, UdpSocket>) =>
  Effect.promise(async () => {
    const { port } = [...sockets.values()][0].localAddress
    for (let first = 0; first < 64; first++) {
      const sender = dgram.createSocket("udp4").bind(0, "127.0.0.1")
      await once(sender, "listening")
      const long = Uint8Array.of(0xc0, 0, 0, 0, 1, 8, first, 1, 2, 3, 4, 5, 6, 7)
      sender.send(Uint8Array.of(0x40, first, 1, 2, 3, 4, 5, 6, 7), port, "127.0.0.1")
      await new Promise((resolve) => sender.send(long, port, "127.0.0.1", resolve))
      sender.close()
    }
    const wrong: Array<string> = []
    let count = 0
    const take = () => {
      for (const [shard, socket] of sockets)
        socket.drain(1000, ({ bytes }) => {
          count++
          const first = (bytes[0] & 0x80) === 0 ? bytes[1] : bytes[6]
          if (first % COUNT !== shard) wrong.push(`${first} reached ${shard}`)
        })
    }
    for (let i = 0; i < 200 && count < 128; i++) {
      take()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return { count, wrong }
  })

it.live(
  "a port's sockets get what names their shard, from whatever address, also after one was replaced",
  () =>
    Effect.gen(function* () {
      const outer = yield* Effect.scope
      const scopes = new Map<number, Scope.Closeable>()
      const sockets = new Map<number, UdpSocket>()
      const open = Effect.fnUntraced(function* (port: number, order: ReadonlyArray<number>) {
        const scope = yield* Scope.fork(outer)
        const shard = order[order.length - 1]
        scopes.set(shard, scope)
        sockets.set(shard, yield* Scope.provide(bound(port, order), scope))
      })
      yield* open(0, [0])
      const { port } = sockets.get(0)!.localAddress
      for (const order of [
        [0, 1],
        [0, 1, 2],
        [0, 1, 2, 3]
      ])
        yield* open(port, order)
      expect(yield* arrivals(sockets)).toEqual({ count: 128, wrong: [] })
      // the last socket of the group takes the place of one that closes
      yield* Scope.close(scopes.get(1)!, Exit.void)
      yield* open(port, [0, 3, 2, 1])
      expect(yield* arrivals(sockets)).toEqual({ count: 128, wrong: [] })
    }).pipe(Effect.scoped)
)
