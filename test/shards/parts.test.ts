import { once } from "node:events"
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { suite } from "../../layers/node/NodeCryptoSuite.ts"
import { makeSharedMemory, SharedReplayGuard } from "../../layers/node/shards/SharedReplayGuard.ts"
import { sumStatistics, withoutGauges } from "../../layers/node/shards/sumStatistics.ts"
import type { FromShard, ToShard } from "../../layers/node/shards/messages.ts"
import { ThisShard } from "../../layers/node/shards/thisShard.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { ShardedSocket, type Stray } from "../../layers/udp/ShardedSocket.ts"
import type { ReceivedDatagram, UdpSocket } from "../../src/capability/UdpPort.ts"
import { AddressTokens } from "../../src/endpoint/AddressTokens.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import { endpointStatistics } from "../../src/endpoint/endpointStatistics.ts"
import { Routing } from "../../src/endpoint/Routing.ts"
import { shardOfPacket } from "../../src/endpoint/shardOfId.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

const from: SocketAddress = { host: "192.0.2.7", port: 7000, family: 4 }
const random = new SeededRandom("shards").bytes

describe("a connection ID", () => {
  it("names its shard, and uses the whole range of its first byte", () => {
    for (const count of [1, 2, 3, 4, 7, 128])
      for (const index of [0, count - 1]) {
        const routing = new Routing(random, 8, { index, count })
        const firsts = new Set<number>()
        for (let i = 0; i < 2000; i++) {
          for (const id of [routing.newId(), routing.newRetrySource(new Uint8Array(8))]) {
            expect(id[0] % count).toBe(index)
            firsts.add(id[0])
          }
        }
        // every value that names the shard
        expect(firsts.size).toBe(Math.floor((255 - index) / count) + 1)
      }
  })

  it("is read from short headers and Handshake packets only: others may be the client's choice", () => {
    const id = [6, 1, 2, 3, 4, 5, 6, 7]
    const long = (first: number, version: ReadonlyArray<number>) =>
      Uint8Array.of(first, ...version, 8, ...id, 0)
    const v1 = [0, 0, 0, 1]
    const v2 = [0x6b, 0x33, 0x43, 0xcf]
    expect(shardOfPacket(Uint8Array.of(0x40, ...id), 4)).toBe(2)
    expect(shardOfPacket(long(0xe0, v1), 4)).toBe(2)
    expect(shardOfPacket(long(0xf0, v2), 4)).toBe(2)
    for (const [first, version] of [
      [0xc0, v1],
      [0xd0, v1],
      [0xd0, v2],
      [0xe0, v2],
      [0xe0, [1, 2, 3, 4]]
    ] as const)
      expect(shardOfPacket(long(first, version), 4)).toBeUndefined()
    expect(shardOfPacket(Uint8Array.of(0x40), 4)).toBeUndefined()
    expect(shardOfPacket(Uint8Array.of(0xe0, 0, 0, 0, 1, 0, 0), 4)).toBeUndefined()
  })
})

/** A socket that has received these. */
const socketWith = (datagrams: ReadonlyArray<Uint8Array>): UdpSocket => {
  const waiting = [...datagrams]
  return {
    onReadable: () => {},
    drain: (max: number, handle: (datagram: ReceivedDatagram) => void) => {
      const taken = waiting.splice(0, max)
      for (const bytes of taken) {
        handle({ bytes, from, to: undefined, ecn: 0 })
        bytes.fill(0xff) // lent for the call
      }
      return taken.length
    }
  } as unknown as UdpSocket
}

const short = (first: number): Uint8Array => Uint8Array.of(0x40, first, 0, 0, 0, 0, 0, 0, 0, 0)

describe("the socket of a shard", () => {
  it("keeps what belongs to its shard and passes the rest on, once per burst and shard", () => {
    const passed: Array<[number, Array<number>]> = []
    const socket = new ShardedSocket(
      socketWith([short(1), short(2), short(5), short(3), short(6)]),
      { index: 1, count: 4 },
      (shard, strays) => passed.push([shard, strays.map(({ bytes }) => bytes[1])])
    )
    const kept: Array<number> = []
    socket.drain(100, ({ bytes }) => kept.push(bytes[1]))
    expect(kept).toEqual([1, 5])
    expect(passed).toEqual([
      [2, [2, 6]],
      [3, [3]]
    ])
  })

  it("reads what others pass on first, from one address object for one remote, and never passes it on", () => {
    const socket = new ShardedSocket(socketWith([short(1)]), { index: 1, count: 4 }, () =>
      expect.fail("passed on")
    )
    let woken = 0
    socket.onReadable(() => woken++)
    const stray: Stray = { bytes: short(2), from: { ...from }, to: undefined, ecn: 2 }
    socket.deliver([stray, { ...stray, from: { ...from } }])
    expect(woken).toBe(1)
    const read: Array<ReceivedDatagram> = []
    socket.drain(100, (datagram) =>
      read.push({ ...datagram, from: datagram.from, bytes: datagram.bytes.slice() })
    )
    expect(read.map(({ bytes }) => bytes[1])).toEqual([2, 2, 1])
    expect(read[0].from).toBe(read[1].from)
  })

  it("drops what others pass on beyond its queue", () => {
    const socket = new ShardedSocket(socketWith([]), { index: 0, count: 2 }, () => {})
    const stray: Stray = { bytes: short(2), from, to: undefined, ecn: 0 }
    socket.deliver(Array.from({ length: 5000 }, () => stray))
    expect(socket.drain(10_000, () => {})).toBe(4096)
  })
})

describe("the guard that threads share", () => {
  it("admits each first flight once, whichever thread asks", async () => {
    const memory = makeSharedMemory(1000)
    const threads = [1, 2, 3].map(
      () => new Worker(new URL("replayWorker.ts", import.meta.url), { workerData: memory })
    )
    const answers = await Promise.all(threads.map((thread) => once(thread, "message")))
    const admitted = answers.flatMap(([numbers]) => numbers as Array<number>)
    expect(admitted.length).toBe(5000)
    expect(new Set(admitted).size).toBe(5000)
  })

  it("refuses what it may have forgotten", () => {
    const guard = new SharedReplayGuard(makeSharedMemory(1000, 4))
    const binder = (number: number): Uint8Array =>
      Uint8Array.of(number, number, number, number, number, number)
    expect(guard.admit(binder(1), 999, 1001)).toBe(false)
    for (let i = 1; i <= 4; i++) expect(guard.admit(binder(i), 1000, 1000 + i)).toBe(true)
    expect(guard.admit(binder(5), 1005, 1005)).toBe(true) // begins a second generation
    expect(guard.admit(binder(1), 1001, 1005)).toBe(false) // the first is remembered
    expect(guard.admit(binder(6), 1000, 1005)).toBe(false) // what was before it is not
    for (let i = 6; i <= 8; i++) expect(guard.admit(binder(i), 1005, 1000 + i)).toBe(true)
    expect(guard.admit(binder(9), 1006, 1009)).toBe(true) // drops the first
    expect(guard.admit(binder(1), 1005, 1010)).toBe(false)
    expect(guard.admit(binder(10), 1006, 1010)).toBe(true)
  })

  it("is not stopped by a thread that ended while it held the lock", () => {
    const memory = makeSharedMemory(1000)
    new Int32Array(memory)[0] = 1
    const guard = new SharedReplayGuard(memory)
    expect(guard.admit(Uint8Array.of(1), 2000, 2000)).toBe(true)
    expect(guard.admit(Uint8Array.of(1), 2000, 2000)).toBe(false)
  })
})

it("address tokens of one shard are those of all", () => {
  const secret = random(32)
  const tokens = () => new AddressTokens(suite, random, 1000, 5000, secret)
  const token = tokens().forLater(from, 2000)
  expect(tokens().judge(token, new Uint8Array(8), from, 3000)._tag).toBe("known")
  const others = new AddressTokens(suite, random, 1000, 5000, random(32))
  expect(others.judge(token, new Uint8Array(8), from, 3000)._tag).toBe("absent")
})

it("statistics add up, and what says what is now ends with its endpoint", () => {
  const endpoint = new Endpoint({ suite, random, connectionIdBytes: 8, server: undefined })
  endpoint.handleDatagram(Uint8Array.of(0x40, 1, 2), from, 0, 0)
  const statistics = { ...endpointStatistics(endpoint), connectionsActive: 2 }
  const sum = sumStatistics([statistics, statistics, withoutGauges(statistics)])
  expect(sum.datagramsReceived).toBe(3)
  expect(sum.dropped.malformed).toBe(3)
  expect(sum.connectionsActive).toBe(4)
})

describe("datagrams that a shard passes on", () => {
  const start = {
    index: 0,
    count: 3,
    order: [0, 1, 2],
    secret: new Uint8Array(32),
    replays: new SharedArrayBuffer(8),
    data: undefined
  }
  const stray: Stray = { bytes: new Uint8Array(1), from, to: undefined, ecn: 0 }
  const strays = (count: number): ReadonlyArray<Stray> => Array.from({ length: count }, () => stray)

  it("are 4096 at most on their way to each other shard; what is beyond is dropped until some are taken", async () => {
    const { port1: own, port2: others } = new MessageChannel()
    const shard = new ThisShard(start, own)
    const tell = async (message: ToShard) => {
      const told = once(own, "message")
      others.postMessage(message)
      await told
    }
    /** How many of `count` are passed on. */
    const passed = (to: number, count: number): number => {
      shard.passOn(4433, to, strays(count))
      const { message } = receiveMessageOnPort(others) ?? {}
      if (message === undefined) return 0
      const said = message as Extract<FromShard, { readonly _tag: "strays" }>
      expect(said).toMatchObject({ _tag: "strays", shard: to, port: 4433 })
      return said.strays.length
    }
    expect([passed(1, 4000), passed(1, 1000), passed(1, 1)]).toEqual([4000, 96, 0])
    expect(passed(2, 5000)).toBe(4096)
    await tell({ _tag: "taken", by: 1, count: 10 })
    expect([passed(1, 8), passed(1, 8), passed(1, 8), passed(2, 1)]).toEqual([8, 2, 0, 0])
    // one that is replaced has none on their way to it
    await tell({ _tag: "taken", by: 2, count: Number.MAX_SAFE_INTEGER })
    expect([passed(2, 4096), passed(2, 1)]).toEqual([4096, 0])
    own.close()
  })

  it("are acknowledged to the shard they come from, whether or not somebody receives them", async () => {
    const { port1: own, port2: others } = new MessageChannel()
    const shard = new ThisShard(start, own)
    let received = 0
    const stop = shard.receive(4433, (all) => {
      received += all.length
    })
    const sent = async (port: number, count: number) => {
      others.postMessage({ _tag: "strays", shard: 2, port, strays: strays(count) } satisfies ToShard)
      const [answer] = await once(others, "message")
      return answer
    }
    expect(await sent(4433, 3)).toEqual({ _tag: "taken", by: 2, count: 3 })
    expect(await sent(4434, 5)).toEqual({ _tag: "taken", by: 2, count: 5 })
    stop()
    expect(await sent(4433, 7)).toEqual({ _tag: "taken", by: 2, count: 7 })
    expect(received).toBe(3)
    own.close()
  })
})
