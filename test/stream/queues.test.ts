/** Queues that a peer or the application can fill, and their limits. */
import { ANY_PATH } from "../../src/path/pathHint.ts"
import { describe, expect, it } from "vitest"
import { ReceiveQueue } from "../../src/actor/ReceiveQueue.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { Fifo } from "../../src/internal/Fifo.ts"
import { PacketBatch, type SentPacket } from "../../src/recovery/SentPacket.ts"
import { SentFrames } from "../../src/recovery/SentFrames.ts"
import { MAX_SPARE_RECORDS, spareRecords } from "../../src/recovery/sentRecords.ts"
import { SentPackets } from "../../src/recovery/SentPackets.ts"
import {
  type DatagramFate,
  type DatagramIntent,
  DatagramQueue,
  datagramOverheadBytes,
  NO_SPACE
} from "../../src/stream/DatagramQueue.ts"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { frameContext } from "../recovery/frameContext.ts"

describe("a first-in-first-out queue", () => {
  it("behaves like an array with push and shift, in any sequence", () => {
    const random = new SeededRandom("fifo")
    const queue = new Fifo<number>()
    const model: Array<number> = []
    for (let i = 0; i < 20_000; i++) {
      // alternates between growing and draining
      if (random.bytes(1)[0] < (Math.floor(i / 1_000) % 2 === 0 ? 200 : 60)) {
        queue.push(i)
        model.push(i)
      } else expect(queue.shift()).toBe(model.shift())
      expect([queue.length, queue.first]).toEqual([model.length, model[0]])
    }
    queue.clear()
    expect([queue.length, queue.first, queue.shift()]).toEqual([0, undefined, undefined])
  })
})

describe("queued datagrams", () => {
  const LIMIT = 64 * 1024
  const MOST = LIMIT / datagramOverheadBytes
  const make = () => new DatagramQueue(65_535, LIMIT, LIMIT)
  const counted = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff)
  const numberOf = (bytes: Uint8Array): number => (bytes[0] << 8) | bytes[1]

  it("for reading are limited in number even if empty, keeping the newest", () => {
    const queue = make()
    for (let i = 0; i < 10_000; i++) queue.onDatagram(new Uint8Array(0), 0, 0, 2)
    expect(queue.queuedBytes).toBeLessThanOrEqual(LIMIT)
    let count = 0
    while (queue.receive() !== undefined) count++
    expect([count, queue.receiveDropped, queue.queuedBytes]).toEqual([MOST, 10_000 - MOST, 0])
    for (let i = 0; i < 10_000; i++) queue.onDatagram(counted(i), 0, 2, 4)
    expect(numberOf(queue.receive()!)).toBe(10_000 - Math.floor(LIMIT / (datagramOverheadBytes + 2)))
  })

  it("for sending are too, and each learns its fate in order", () => {
    const queue = make()
    for (let i = 0; i < 1_000; i++) queue.send(new Uint8Array(0), true)
    expect(queue.queuedBytes).toBeLessThanOrEqual(LIMIT)
    expect(queue.sendDropped).toBe(1_000 - MOST)
    const fates: Array<readonly [number, DatagramFate]> = []
    for (let told = queue.takeFate(); told !== undefined; told = queue.takeFate())
      fates.push([told.id, told.fate])
    expect(fates).toEqual(Array.from({ length: 1_000 - MOST }, (_, i) => [i + 1, "dropped"]))
  })

  it("are sent in order, as far as there is room", () => {
    const queue = make()
    for (let i = 0; i < 3; i++) queue.send(counted(i), false)
    const sent = new SentFrames()
    const bytes = new Uint8Array(9)
    queue.peerMaxFrameBytes = 1_200
    queue.writeFrames(new ByteWriter(bytes), sent, frameContext())
    expect([...bytes]).toEqual([0x31, 2, 0, 0, 0x31, 2, 0, 1, 0])
    expect([sent.length, queue.queuedBytes]).toEqual([8, datagramOverheadBytes + 2])
  })

  const intent = (fields: Partial<DatagramIntent>): DatagramIntent => ({
    priority: 0,
    deadlineMicros: Number.POSITIVE_INFINITY,
    latest: undefined,
    space: NO_SPACE,
    hint: ANY_PATH,
    ...fields
  })

  const sentBy = (queue: DatagramQueue): ReadonlyArray<number> => {
    const sent = new SentFrames()
    queue.peerMaxFrameBytes = 1_200
    queue.writeFrames(new ByteWriter(new Uint8Array(4_096)), sent, frameContext())
    return upToLength(sent).map((i) => sent.values[i + 1])
  }
  const upToLength = ({ length }: SentFrames) => Array.from({ length: length / 4 }, (_, i) => 4 * i)

  it("B9 leave by priority, and by age among equals; those of the lowest make room", () => {
    const queue = make()
    for (const priority of [0, 5, -1, 5, 0]) queue.send(counted(0), false, intent({ priority }))
    expect(sentBy(queue)).toEqual([2, 4, 1, 5, 3])
    for (let i = 0; i < MOST; i++) queue.send(new Uint8Array(0), true, intent({ priority: 1 }))
    queue.send(new Uint8Array(0), true)
    queue.send(new Uint8Array(0), true, intent({ priority: 1 }))
    expect([queue.takeFate(), queue.takeFate()]).toEqual([
      { id: MOST + 6, fate: "dropped" },
      { id: 6, fate: "dropped" }
    ])
  })

  it("B9 replaced by newer ones of their key hold no memory, and give their turn", () => {
    const queue = make()
    queue.send(counted(0), false, intent({ latest: "a" }))
    queue.send(counted(0), false)
    for (let i = 0; i < 10_000; i++)
      queue.send(counted(i), false, intent({ latest: "a", deadlineMicros: 10_000 - i }))
    expect([queue.queuedBytes, queue.sendDropped]).toEqual([2 * (datagramOverheadBytes + 2), 10_000])
    queue.send(counted(0), false, intent({ latest: "a", priority: -1 }))
    expect([queue.deadlineMicros, queue.sendDropped]).toEqual([Number.POSITIVE_INFINITY, 10_001])
    expect(sentBy(queue)).toEqual([2, 10_003])
    queue.send(counted(0), true, intent({ latest: "a" }))
    expect([sentBy(queue), queue.sendDropped, queue.queuedBytes]).toEqual([[10_004], 10_001, 0])
  })

  it("B9 expire at their deadline, in whatever order they came", () => {
    const queue = make()
    for (const deadlineMicros of [300, 100, 200]) queue.send(counted(0), true, intent({ deadlineMicros }))
    queue.send(counted(0), true)
    queue.expire(99)
    expect([queue.deadlineMicros, queue.sendExpired]).toEqual([100, 0])
    queue.expire(200)
    expect([queue.takeFate(), queue.takeFate(), queue.takeFate()]).toEqual([
      { id: 2, fate: "expired" },
      { id: 3, fate: "expired" },
      undefined
    ])
    expect([sentBy(queue), queue.deadlineMicros]).toEqual([[1, 4], Number.POSITIVE_INFINITY])
    expect([queue.queuedBytes, queue.sendExpired, queue.sendDropped]).toEqual([0, 2, 0])
  })

  it("may include one as large as the whole limit", () => {
    const queue = make()
    for (let i = 0; i < 3; i++) queue.onDatagram(new Uint8Array(LIMIT), 0, LIMIT, 65_535)
    expect(queue.receive()).toHaveLength(LIMIT)
    expect(queue.receive()).toBeUndefined()
  })
})

describe("received UDP datagrams queued for the endpoint", () => {
  const from = { host: "192.0.2.1", port: 1, family: 4 } as const
  const push = (queue: ReceiveQueue, size: number) => queue.push(new Uint8Array(size), from, undefined, 0)

  it("are limited in number", () => {
    const queue = new ReceiveQueue(16)
    expect(Array.from({ length: 20 }, () => push(queue, 20)).filter(Boolean)).toHaveLength(16)
  })

  it("and in bytes, so that fewer of 64 kB fit, but always at least one", () => {
    const queue = new ReceiveQueue(160)
    expect(Array.from({ length: 160 }, () => push(queue, 65_507)).filter(Boolean)).toHaveLength(11)
    const sizes: Array<number> = []
    expect(queue.drain(256, ({ bytes }) => sizes.push(bytes.length))).toBe(11)
    expect(sizes).toEqual(new Array(11).fill(65_507))
    expect(Array.from({ length: 160 }, () => push(queue, 1_500)).every(Boolean)).toBe(true)
    expect(push(new ReceiveQueue(1), 65_507)).toBe(true)
  })

  it("wake the endpoint once until it has seen the queue empty", () => {
    const queue = new ReceiveQueue(16)
    let wakes = 0
    queue.onReadable(() => wakes++)
    for (let i = 0; i < 3; i++) push(queue, 20)
    expect(wakes).toBe(1)
    queue.drain(2, () => {})
    push(queue, 20)
    expect(wakes).toBe(1)
    queue.drain(16, () => {})
    push(queue, 20)
    expect(wakes).toBe(2)
  })
})

describe("records of sent packets", () => {
  const send = (sent: SentPackets, count: number) => {
    const records = new Set<SentPacket>()
    for (let i = 0; i < count; i++) {
      const packet = sent.begin()
      packet.ackEliciting = packet.inFlight = true
      sent.commit(packet)
      records.add(packet)
    }
    return records
  }
  const acknowledgeAll = (sent: SentPackets) => {
    const ack = new AckFrame()
    ack.largest = ack.largestOf[0] = sent.nextPacketNumber - 1
    ack.smallest[0] = 0
    ack.rangeCount = 1
    const acked = new PacketBatch()
    sent.takeAcked(ack, acked, new PacketBatch())
    for (let i = 0; i < acked.length; i++) sent.recycle(acked.items[i])
    return acked.length
  }

  it("are used again by any path, once the packets are acknowledged", () => {
    const [one, other] = [new SentPackets(Space.Application), new SentPackets(Space.Application)]
    const first = send(one, 1_000)
    expect(first.size).toBe(1_000)
    const meanwhile = send(other, 1_000)
    expect([...meanwhile].some((record) => first.has(record))).toBe(false)
    expect(acknowledgeAll(one)).toBe(1_000)
    expect([...send(other, 1_000)].every((record) => first.has(record))).toBe(true)
    acknowledgeAll(other)
  })

  it("are kept in bounded number, however many packets were in flight", () => {
    const sent = new SentPackets(Space.Application)
    send(sent, 3 * MAX_SPARE_RECORDS)
    expect(acknowledgeAll(sent)).toBe(3 * MAX_SPARE_RECORDS)
    expect(spareRecords()).toBe(MAX_SPARE_RECORDS)
  })
})
