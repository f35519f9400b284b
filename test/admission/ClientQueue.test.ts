/** The queue of clients: turns by source, and what a source may have in flight. */
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { ClientQueue } from "../../src/admission/ClientQueue.ts"
import { type Introduction, Stranger } from "../../src/admission/Stranger.ts"
import { Version } from "../../src/wire/PacketType.ts"
import { at } from "../defence/Siege.ts"

const id = new Uint8Array(8)
const make = () => new ClientQueue<string>(2, 6, new SeededRandom("queue").bytes)

const clientAt = (host: string, sinceMicros = 0): Stranger<string> => {
  const introduction: Introduction = {
    version: Version.v1,
    from: at(host),
    socket: 0,
    destination: id,
    originalDestination: id,
    source: id,
    token: new Uint8Array(0),
    isProven: false
  }
  return new Stranger<string>(introduction, sinceMicros, 0)
}

describe("a queue of clients", () => {
  it("gives each source a turn, however many clients wait at one", () => {
    const queue = make()
    const [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    for (const host of [a, a, a, a, b, b, c]) queue.push(clientAt(host))
    const turns = Array.from({ length: 8 }, () => queue.shift()?.introduction.from.host)
    expect(turns).toEqual([a, b, c, a, b, a, a, undefined])
    expect(queue.sourceCount).toBe(0)
  })

  it("passes over a source that has as many handshakes in flight as it may", () => {
    const queue = make()
    for (let i = 0; i < 2; i++) queue.begin(at("192.0.2.1"))
    queue.push(clientAt("192.0.2.1"))
    expect(queue.hasNext).toBe(false)
    queue.push(clientAt("192.0.2.2"))
    expect(queue.shift()!.introduction.from.host).toBe("192.0.2.2")
    expect(queue.shift()).toBeUndefined()
    queue.end(at("192.0.2.1"), false)
    expect(queue.shift()!.introduction.from.host).toBe("192.0.2.1")
  })

  it("lets a source have one more for each handshake that completes, to a limit, and half when one fails", () => {
    const queue = make()
    const from = at("192.0.2.1")
    queue.push(clientAt(from.host))
    expect(queue.find(from)!.allowance).toBe(2)
    const allowed: Array<number> = []
    for (const isComplete of [true, true, true, true, true, false, false, true]) {
      queue.begin(from)
      queue.end(from, isComplete)
      allowed.push(queue.find(from)!.allowance)
    }
    expect(allowed).toEqual([3, 4, 5, 6, 6, 3, 2, 3])
  })

  it("keeps places for sources with few, however much others have earned", () => {
    const queue = make()
    const many = ["192.0.2.1", "192.0.2.2"]
    for (const host of many) {
      for (let i = 0; i < 10; i++) {
        queue.push(clientAt(host))
        queue.push(clientAt(host))
        queue.begin(at(host))
        queue.end(at(host), true)
      }
    }
    const begun = { [many[0]]: 0, [many[1]]: 0 }
    for (let client = queue.shift(); client !== undefined; client = queue.shift()) {
      begun[client.introduction.from.host]++
      queue.begin(client.introduction.from)
    }
    expect(begun).toEqual({ [many[0]]: 3, [many[1]]: 3 })
    queue.push(clientAt("192.0.2.3"))
    expect(queue.shift()!.introduction.from.host).toBe("192.0.2.3")
  })

  it("knows whose clients are most, and which has waited longest", () => {
    const queue = make()
    for (const [host, since] of [
      ["192.0.2.1", 5],
      ["192.0.2.2", 3],
      ["192.0.2.1", 6]
    ] as const)
      queue.push(clientAt(host, since))
    expect(queue.popOf(queue.longest!)!.sinceMicros).toBe(6)
    expect(queue.shiftOf(queue.oldest!)!.sinceMicros).toBe(3)
    expect([queue.length, queue.sourceCount]).toEqual([1, 1])
  })
})
