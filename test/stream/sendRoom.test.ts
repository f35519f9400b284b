/** How much streams may buffer for sending. */
import { describe, expect, it } from "vitest"
import { SendRoom } from "../../src/stream/SendRoom.ts"
import { connect, exchange, limits } from "./streamPair.ts"

const SHARE = 1_000
const MOST = 5_000

const roomOf = (carried: number, most = MOST): SendRoom =>
  new SendRoom(limits({ sendBufferBytes: SHARE, maxSendBufferBytes: most }), { carriedBytes: carried })

describe("the room of streams for what they send", () => {
  it("is a share for each, whatever the paths carry", () => {
    const room = roomOf(0)
    room.heldBytes = 9 * SHARE
    expect(room.capacity(0)).toBe(SHARE)
    expect(room.capacity(SHARE)).toBe(SHARE)
  })

  it("grows to twice of what the paths carry, for all streams together", () => {
    const room = roomOf(2_000)
    room.heldBytes = SHARE
    expect(room.capacity(SHARE)).toBe(4_000)
    room.heldBytes = 3_500
    expect(room.capacity(SHARE)).toBe(1_500)
    room.heldBytes = 9_000
    expect(room.capacity(SHARE)).toBe(SHARE)
    expect(room.hasRoom(SHARE)).toBe(false)
  })

  it("has a limit, whatever the paths carry", () => {
    const room = roomOf(1_000_000)
    room.heldBytes = SHARE
    expect(room.capacity(SHARE)).toBe(MOST)
  })

  it("does not grow beyond a number that was given", () => {
    const room = roomOf(1_000_000, 0)
    room.heldBytes = SHARE
    expect(room.capacity(SHARE)).toBe(SHARE)
  })

  it("is given back by what is acknowledged, reset, and stopped by the peer", () => {
    const pair = connect(
      limits({ sendBufferBytes: SHARE, maxSendBufferBytes: MOST }),
      limits({ initialMaxStreamDataUni: 500 })
    )
    const { client, server } = pair
    const held = (): number => {
      expect(client.streams.room.heldBytes).toBe(client.streams.stats().sendBuffered)
      return client.streams.room.heldBytes
    }
    const ids = [client.streams.open(true), client.streams.open(true), client.streams.open(true)]
    for (const id of ids) expect(client.streams.write(id, new Uint8Array(2 * SHARE))).toBe(SHARE)
    expect(held()).toBe(3 * SHARE)
    exchange(pair)
    expect(held()).toBe(3 * (SHARE - 500))
    client.streams.reset(ids[0], 1)
    expect(held()).toBe(2 * (SHARE - 500))
    server.streams.stop(ids[1], 1)
    exchange(pair)
    expect(held()).toBe(SHARE - 500)
  })
})
